import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
// @ts-expect-error plain JavaScript
import { npm } from "../../scripts/npm.mjs";
import * as source from "../../src/client/albert-client.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { runServer } from "../support/running-server.ts";

const root = join(import.meta.dirname, "../..");
const manifest = (path: string) => JSON.parse(readFileSync(join(root, path, "package.json"), "utf8"));

// An empty folder outside of the checkout, so that nothing but the package and its dependency can be found from it.
const folder = mkdtempSync(join(tmpdir(), "albert-client-"));
const modules = join(folder, "node_modules");
const installed = join(modules, "albert-serve-client");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => {
  const built = join(folder, "built");
  execFileSync(process.execPath, [join(root, "scripts/client-package.mjs"), built], { stdio: "inherit" });
  const options = ["--json", "--ignore-scripts", "--pack-destination", folder];
  const [{ filename }] = JSON.parse(npm(["pack", ...options], { cwd: built, stdio: "pipe" }));
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", join(folder, filename), "--strip-components=1", "-C", installed]);
  for (const name of Object.keys(manifest("packages/client").dependencies)) {
    cpSync(join(root, "node_modules", name), join(modules, name), { recursive: true, dereference: true });
  }
}, 120_000);

it("takes less than 5 MB with all that it needs, and has the API of the sources", async () => {
  const files = readdirSync(modules, { recursive: true, encoding: "utf8" }).map((path) =>
    statSync(join(modules, path)),
  );
  // As disks count: whole blocks.
  const bytes = files.reduce((sum, { blocks }) => sum + blocks * 512, 0);
  expect(bytes).toBeGreaterThan(1e6);
  expect(bytes).toBeLessThan(5e6);
  const client: typeof source = await import(
    pathToFileURL(join(installed, manifest("packages/client").exports["."].default)).href
  );
  expect(Object.keys(client).sort()).toEqual(Object.keys(source).sort());
});

const PROGRAM = `
import { type AlbertClient, CallError, connectAlbert } from "albert-serve-client";

const albert: AlbertClient = connectAlbert(process.argv[2]!, { maxAttempts: 1 });
const { labels } = await albert.classify({ text: "a cat", options: { head: "sentiment" } });
const scores: number[] = labels.map(({ score }) => score);
console.log(scores.length);
// @ts-expect-error a field that requests do not have
const wrong: Parameters<AlbertClient["classify"]>[0] = { txt: "a cat" };
try {
  await albert.encode({ text: "" });
} catch (error) {
  if (!(error instanceof CallError)) throw error;
  console.log(error.reason);
}
albert.close();
// TLS needs nothing that is not in the package.
connectAlbert("albert.example:50051", { tls: {}, token: String(wrong) }).close();
`;

it("a program in TypeScript compiles against it and asks a server", async () => {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  writeFileSync(join(folder, "program.ts"), PROGRAM);
  const strict = { strict: true, skipLibCheck: false, module: "NodeNext", target: "ES2022", types: ["node"] };
  const compilerOptions = { ...strict, typeRoots: [join(root, "node_modules/@types")] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder], { stdio: "inherit" });

  const server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }] });
  try {
    const said = await promisify(execFile)(process.execPath, [join(folder, "program.js"), server.address]);
    expect(said).toEqual({ stdout: "2\nFIELD_INVALID\n", stderr: "" });
  } finally {
    await server.close();
  }
}, 60_000);

it("names what is inside of its module, with their licences", () => {
  const page = readFileSync(join(installed, "THIRD_PARTY_LICENSES.md"), "utf8");
  const { version } = JSON.parse(readFileSync(join(root, "node_modules/@grpc/grpc-js/package.json"), "utf8"));
  expect(page).toContain(`| @grpc/grpc-js ${version} | Apache-2.0 |`);
  expect(page).not.toContain("onnxruntime");
  expect(readFileSync(join(installed, "LICENSE"), "utf8")).toContain("Apache License");
});

it("has the version, and the versions of dependencies, of the whole package", () => {
  const [whole, client] = [manifest("."), manifest("packages/client")];
  expect(client.version).toBe(whole.version);
  for (const [name, version] of Object.entries(client.dependencies)) expect(whole.dependencies[name]).toBe(version);
});
