import { setTimeout } from "node:timers/promises";
import type { Sample } from "./steady-caller.ts";

/**
 * Callers of whom each waits for its answer and then pauses, so that it calls for a fixed share of the time: the load stays that share
 * of what the server can answer now, whatever else its machine does.
 */
export class PacedCallers {
  readonly samples: Sample[] = [];
  readonly #ask: (index: number) => Promise<string>;
  readonly #share: number;
  readonly #running: Promise<void>;
  #next = 0;
  #stopped = false;

  /**
   * @param share  of its time for which each caller waits for an answer, above 0 and at most 1
   * @param ask    makes call number `index` and tells the version that answered
   */
  constructor(callers: number, share: number, ask: (index: number) => Promise<string>) {
    this.#ask = ask;
    this.#share = share;
    this.#running = Promise.all(Array.from({ length: callers }, () => this.#run())).then(() => {});
  }

  /** Sends nothing more and waits for every answer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const intendedMs = performance.timeOrigin + performance.now();
      const outcome = await this.#ask(this.#next++).then(
        (version) => ({ version }),
        (error: unknown) => ({ error }),
      );
      const latencyMs = performance.timeOrigin + performance.now() - intendedMs;
      this.samples.push({ intendedMs, latencyMs, ...outcome });
      await setTimeout(latencyMs * (1 / this.#share - 1));
    }
  }
}
