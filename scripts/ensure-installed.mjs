// Installs the packages of the lock file when they are absent or older than it, so that `npm start` and `npm test` need no step
// before them. Uses nothing but Node itself.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { npm } from "./npm.mjs";

const root = join(import.meta.dirname, "..");
const installed = join(root, "node_modules/.package-lock.json");
const lock = join(root, "package-lock.json");

/** Installs what the lock file names, exactly, if it is not there yet. */
export function ensureInstalled() {
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  console.log("installing packages ...");
  npm(["ci", "--loglevel=error"], { cwd: root });
}

if (process.argv[1] === import.meta.filename) ensureInstalled();
