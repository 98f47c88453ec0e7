import { join } from "node:path";
// @ts-expect-error a plain script, which runs before anything is installed, has no types
import { isBuilt } from "../../scripts/build-state.mjs";

const ROOT = join(import.meta.dirname, "../..");
const BUILT: boolean = isBuilt(ROOT);

/** `albert` as arguments of Node: as it was built, which begins in half the time, or from its sources where they are newer. */
export function albertCommand(...args: readonly string[]): string[] {
  const program = BUILT ? [join(ROOT, "dist/cli/main.js")] : ["--import", "tsx", join(ROOT, "src/cli/main.ts")];
  return [...program, ...args];
}
