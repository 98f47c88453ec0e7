import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A script of this directory that answers each line of JSON with one. */
export interface PythonLines {
  /** The next line that it prints. @throws Error when it has ended */
  next(): Promise<unknown>;
  /** Its answer to a message. */
  ask(message: unknown): Promise<unknown>;
  stop(): void;
}

/** Starts a script that talks in lines of JSON. Its threads sleep while they have nothing to do, so that sides can take turns. */
export function startPython(python: string, script: string, ...parameters: readonly string[]): PythonLines {
  const child = spawn(python, [join(import.meta.dirname, script), ...parameters], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, OMP_WAIT_POLICY: "passive" },
  });
  child.on("error", () => {}); // lines end then, which is told below
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${script} ended; is ${python} a Python that has what it imports?`);
    return JSON.parse(value);
  };
  return {
    next,
    ask: (message) => {
      child.stdin.write(`${JSON.stringify(message)}\n`);
      return next();
    },
    stop: () => void child.stdin.end(),
  };
}
