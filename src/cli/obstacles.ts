import { join } from "node:path";

// What can keep the command line from being loaded at all: packages that are not installed, or a Node that is too old.

/** The oldest Node that runs albert, as `engines` of package.json says. */
const OLDEST_NODE = [20, 12] as const;

/**
 * What to tell the user of an error while the command line was loaded.
 *
 * @param node  version of the Node that runs, such as 20.12.1
 * @returns undefined for an error that is no fault of the installation
 */
export function obstacleOf(error: unknown, node: string): string | undefined {
  const [major = 0, minor = 0] = node.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    return `needs Node ${OLDEST_NODE.join(".")} or newer, this is Node ${node} (${process.execPath})`;
  }
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") return undefined;
  const [, what = "a file"] = /^Cannot find (package '[^']+'|module '[^']+')/.exec(error.message) ?? [];
  return `${what} is missing: this installation is not complete; run npm ci in ${join(import.meta.dirname, "../..")}, or install albert-serve again`;
}
