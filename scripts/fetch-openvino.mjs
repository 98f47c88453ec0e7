// Prints a folder that holds OpenVINO, for OPENVINO_DIR: its package from Python's registry, fetched into .cache/ once. Ends with
// status 1, and says so, where it cannot be had. Only the package's files are unpacked: nothing of it runs.
//
//   OPENVINO_DIR=$(node scripts/fetch-openvino.mjs) npx vitest run test/runtime/openvino
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/** The version that the tests were last seen to pass with. */
const VERSION = "2026.4.0";
const folder = join(import.meta.dirname, "../.cache", `openvino-${VERSION}`);
/** Where it is fetched to: whole or not there, as another run may look for it meanwhile. */
const fresh = `${folder}.${process.pid}`;
try {
  if (!existsSync(folder)) {
    mkdirSync(fresh, { recursive: true });
    const pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target", fresh];
    execFileSync("python3", [...pip, `openvino==${VERSION}`], { stdio: "pipe", timeout: 180_000 });
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  }
  console.log(folder);
} catch (error) {
  rmSync(fresh, { recursive: true, force: true });
  console.error(`OpenVINO ${VERSION} cannot be had here: ${error.message.trim().split("\n").at(-1)}`);
  process.exitCode = 1;
}
