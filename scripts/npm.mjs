// Runs npm from a script, on every system the same: as the npm that started this script, else as the one on the PATH.
import { spawnSync } from "node:child_process";

/** Where npm's own program lies, when npm (and not another manager of packages) started this process. */
const program = process.env.npm_execpath?.endsWith("npm-cli.js") ? process.env.npm_execpath : undefined;

/**
 * Runs `npm ...args` and waits for it.
 *
 * @returns stdout when `options.stdio` leaves it to the caller
 * @throws Error when npm ends with another status than 0
 */
export function npm(args, options = {}) {
  const [command, ...rest] = program === undefined ? ["npm", ...args] : [process.execPath, program, ...args];
  // On Windows npm on the PATH is a batch file, which only a shell can start.
  const shell = program === undefined && process.platform === "win32";
  const result = spawnSync(command, rest, {
    stdio: "inherit",
    shell,
    encoding: "utf8",
    maxBuffer: 64 * 2 ** 20,
    ...options,
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    throw new Error(`npm ${args.join(" ")} ended with ${result.status ?? result.signal}\n${result.stderr ?? ""}`);
  }
  return result.stdout;
}
