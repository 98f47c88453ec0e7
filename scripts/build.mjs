// Compiles src/ to dist/ when a source is newer than the last build, and readies what `npm pack` carries. `--force` builds regardless. What is there already stays
// whole until the new build is complete, so an interrupted build, or two at a time, leave no half of one.
import { execFileSync } from "node:child_process";
import { renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isBuilt, STAMP } from "./build-state.mjs";
import { carryRuntime } from "./carried-runtime.mjs";

const root = join(import.meta.dirname, "..");

/** Runs a program of an installed package. */
function run(program, ...args) {
  execFileSync(process.execPath, [join(root, "node_modules", program), ...args], { cwd: root, stdio: "inherit" });
}

carryRuntime(root);
if (!isBuilt(root) || process.argv.includes("--force")) {
  const startedAt = new Date();
  const built = join(root, `.cache/dist-${process.pid}`);
  run("typescript/bin/tsc", "-p", "tsconfig.build.json", "--outDir", built);
  run("vite/bin/vite.js", "build", "--outDir", join(built, "console"), "--logLevel", "warn");
  // A source that changed meanwhile must look newer than this build.
  writeFileSync(join(built, STAMP), startedAt.toISOString());
  utimesSync(join(built, STAMP), startedAt, startedAt);
  rmSync(join(root, "dist"), { recursive: true, force: true });
  renameSync(built, join(root, "dist"));
}
