// Builds the client's package: the client and gRPC as one module, the declarations beside it, and the licences of what is inside. The messages' runtime stays a
// dependency, because its types are part of the API.
//
//   node scripts/client-package.mjs [FOLDER]      packages/client unless given; `npm pack` runs it
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { build } from "vite";
import { licencesPage } from "./inventory/licences.mjs";
import { ROOT, shippedPackages } from "./inventory/shipped-packages.mjs";

const source = join(ROOT, "packages/client");

/** Fills a folder with the package, ready for `npm pack`. */
export async function buildClient(folder) {
  const dist = join(folder, "dist");
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [compiler, "-p", source, "--outDir", dist], { stdio: "inherit" });
  const modules = await bundle(dist);
  const inside = shippedPackages().filter(({ path }) => modules.some((module) => module.startsWith(`${path}/`)));
  const introduction = [
    "albert-serve-client is under the Apache License 2.0 (LICENSE). Its module holds these packages, which keep their own licences.",
  ];
  writeFileSync(join(folder, "THIRD_PARTY_LICENSES.md"), licencesPage(inside, introduction));
  cpSync(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
  if (folder !== source)
    for (const file of ["package.json", "README.md"]) cpSync(join(source, file), join(folder, file));
}

/** Writes the module. @returns the files that went into it, relative to the project */
async function bundle(dist) {
  const { output } = await build({
    configFile: false,
    root: ROOT,
    logLevel: "warn",
    ssr: { noExternal: true },
    build: {
      ssr: "src/client/albert-client.ts",
      outDir: dist,
      emptyOutDir: false,
      target: "node20",
      // proto-loader reads definitions for servers' channelz and load reports, which a client never asks for.
      rolldownOptions: { external: [/^@bufbuild\/protobuf/, "@grpc/proto-loader"] },
    },
  });
  return output.flatMap(({ moduleIds = [] }) => moduleIds).map((path) => relative(ROOT, path));
}

if (process.argv[1] === import.meta.filename) await buildClient(resolve(process.argv[2] ?? source));
