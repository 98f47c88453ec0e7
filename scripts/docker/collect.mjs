// Gathers what an image or an offline bundle runs into one folder: the built program, the bundled models, and the production
// packages of the lock file for one platform. ONNX Runtime carries every platform's libraries; those of others are left out.
//
//   node scripts/docker/collect.mjs FOLDER [OS-CPU]       such as linux-arm64; this machine's unless given
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { carryRuntime } from "../carried-runtime.mjs";
import { installScriptPackages } from "../inventory/shipped-packages.mjs";
import { npm } from "../npm.mjs";

const root = join(import.meta.dirname, "../..");
const PROGRAM = [
  "bin",
  "dist",
  "models",
  "proto",
  "package.json",
  "LICENSE",
  "THIRD_PARTY_LICENSES.md",
  "sbom.cdx.json",
  "README.md",
  "CHANGELOG.md",
];

/** Platforms for which ONNX Runtime has libraries, as folders below its own. */
export const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-arm64", "win32-x64", "win32-arm64"];

/**
 * Fills a folder with everything that `bin/albert` needs but Node.
 *
 * @throws Error for a platform for which ONNX Runtime has no library
 */
export function collect(folder, platform = `${process.platform}-${process.arch}`) {
  if (!PLATFORMS.includes(platform))
    throw new Error(`no ONNX Runtime for ${platform}; there is ${PLATFORMS.join(", ")}`);
  const [os, cpu] = platform.split("-");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const path of PROGRAM) cpSync(join(root, path), join(folder, path), { recursive: true });
  for (const path of ["package-lock.json", ".npmrc"]) cpSync(join(root, path), join(folder, path));
  npm(["ci", "--omit=dev", "--loglevel=error", "--os", os, "--cpu", cpu], { cwd: folder });
  for (const path of ["package-lock.json", ".npmrc"]) rmSync(join(folder, path));
  carryRuntime(folder);
  leaveOut(folder, installScriptPackages());
  const libraries = join(folder, "node_modules/onnxruntime-node/bin/napi-v6");
  for (const system of readdirSync(libraries)) {
    for (const processor of readdirSync(join(libraries, system))) {
      if (system !== os || processor !== cpu) rmSync(join(libraries, system, processor), { recursive: true });
    }
    if (readdirSync(join(libraries, system)).length === 0) rmSync(join(libraries, system), { recursive: true });
  }
}

/**
 * Takes packages out of an installation: their folders, their commands, and their entries in npm's own list, which is what scanners read.
 *
 * @param places  such as "node_modules/adm-zip"
 */
export function leaveOut(folder, places) {
  for (const place of places) rmSync(join(folder, place), { recursive: true, force: true });
  const packages = join(folder, "node_modules");
  const list = join(packages, ".package-lock.json");
  if (existsSync(list)) {
    const lock = JSON.parse(readFileSync(list, "utf8"));
    for (const place of places) delete lock.packages[place];
    for (const { dependencies = {} } of Object.values(lock.packages)) {
      for (const name of Object.keys(dependencies))
        if (places.includes(`node_modules/${name}`)) delete dependencies[name];
    }
    writeFileSync(list, `${JSON.stringify(lock, null, 2)}\n`);
  }
  const commands = join(packages, ".bin");
  if (!existsSync(commands)) return;
  for (const name of readdirSync(commands)) {
    if (!existsSync(join(commands, name))) rmSync(join(commands, name)); // a link to what is gone
  }
}

if (process.argv[1] === import.meta.filename) collect(process.argv[2], process.argv[3]);
