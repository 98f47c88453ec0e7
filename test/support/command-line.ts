import { execFile } from "node:child_process";
import { vi } from "vitest";
import { albertProgram } from "../../src/cli/program.ts";
import { withDashes } from "../../src/cli/training/official-flags.ts";
import { albertCommand } from "./albert-command.ts";

/** What a command wrote to stdout and stderr, and the exit status that it asked for. */
export interface CommandResult {
  readonly out: string;
  readonly err: string;
  readonly status: number;
}

/** Runs `albert` in this process. @throws what the command throws */
export async function runAlbert(...args: string[]): Promise<CommandResult> {
  const written = { out: "", err: "" };
  const status = await runAlbertInto(written, args);
  return { ...written, status };
}

/**
 * Runs `albert` in this process, for callers that want its output also when it throws.
 *
 * @param written  receives the output
 * @returns the exit status that the command asked for
 * @throws what the command throws
 */
export async function runAlbertInto(written: { out: string; err: string }, args: readonly string[]): Promise<number> {
  const capture = (stream: "out" | "err") => (text: string | Uint8Array) => {
    written[stream] += text;
    return true;
  };
  const mocks = [
    vi.spyOn(process.stdout, "write").mockImplementation(capture("out")),
    vi.spyOn(process.stderr, "write").mockImplementation(capture("err")),
  ];
  process.exitCode = 0;
  try {
    await (await albertProgram()).parseAsync(withDashes(["node", "albert", ...args]));
    return Number(process.exitCode);
  } finally {
    for (const mock of mocks) mock.mockRestore();
    process.exitCode = undefined;
  }
}

/** Runs `albert` as a process of its own, with these variables besides those of this process, and this on standard input. */
export function spawnAlbert(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  input: string | Uint8Array = "",
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout: 60_000 };
    const child = execFile(process.execPath, albertCommand(...args), options, (failure, out, err) => {
      resolve({ out, err, status: failure === null ? 0 : Number(failure.code) });
    });
    child.stdin?.on("error", () => {}); // a command may end without reading it
    child.stdin?.end(input);
  });
}
