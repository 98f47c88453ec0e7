// Whether dist/ holds what the sources say.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** What a build is made of. */
const INPUTS = ["src", "vite.config.ts", "tsconfig.json", "tsconfig.build.json", "package-lock.json"];

/** The file of a build that is as old as its sources were then. */
export const STAMP = ".built";

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((entry) => newest(join(path, entry))));
}

/** Whether no source is newer than the last build. */
export function isBuilt(root) {
  const stamp = join(root, "dist", STAMP);
  return existsSync(stamp) && statSync(stamp).mtimeMs > Math.max(...INPUTS.map((input) => newest(join(root, input))));
}
