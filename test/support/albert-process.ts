import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { albertCommand } from "./albert-command.ts";

/** The command line as a process of its own. */
export class AlbertProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #said = "";

  constructor(...args: string[]) {
    this.#child = spawn(process.execPath, albertCommand(...args), { stdio: ["ignore", "ignore", "pipe"] });
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#said += text;
    });
    this.#ended = once(this.#child, "close");
  }

  /** What it has written to stderr. */
  get said(): string {
    return this.#said;
  }

  /** Waits until stderr holds this, or the process has ended. */
  async until(pattern: RegExp): Promise<void> {
    const over = this.#ended.then(() => true);
    while (!pattern.test(this.#said)) {
      if (await Promise.race([over, once(this.#child.stderr!, "data").then(() => false)])) return;
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Its exit status, or the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals> {
    await this.#ended;
    return this.#child.exitCode ?? this.#child.signalCode!; // a process that has ended has one of them
  }
}
