// Installs the packages when they are absent or older than the lock file, so that `npm start` and `npm test` need no step
// before them. Uses nothing but Node itself.
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const installed = join(root, "node_modules/.package-lock.json");
const lock = join(root, "package-lock.json");

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  console.log("installing packages ...");
  // Not `npm ci`: it refuses a lock file made where a registry lacks some other platform's optional packages.
  const quiet = ["--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  execFileSync("npm", ["install", ...quiet], { cwd: root, stdio: "inherit" });
}
