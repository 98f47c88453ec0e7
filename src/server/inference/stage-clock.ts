import { performance } from "node:perf_hooks";
import type { Stage } from "../../metrics/requests.ts";

/** Milliseconds of each stage, as fields of `Timings`. */
export interface StageTimings {
  readonly receiveMs: number;
  readonly tokenizeMs: number;
  readonly queueMs: number;
  readonly assembleMs: number;
  readonly runMs: number;
  readonly postMs: number;
  readonly totalMs: number;
}

/** Measures the stages of one request. A stage lasts until the next begins, so that all of them add up to the total. */
export class StageClock {
  readonly #startedAt: number;
  #stage: Stage = "receive";
  #since: number;
  readonly #ms: Record<Stage, number> = { receive: 0, tokenize: 0, queue: 0, assemble: 0, run: 0, post: 0 };

  /** @param receivedAt  on the clock of `performance.now()` */
  constructor(receivedAt: number) {
    this.#startedAt = receivedAt;
    this.#since = receivedAt;
  }

  /** The stage that lasts now. */
  get current(): Stage {
    return this.#stage;
  }

  begin(stage: Stage): void {
    const now = performance.now();
    this.#ms[this.#stage] += now - this.#since;
    this.#stage = stage;
    this.#since = now;
  }

  /** Of the stage that lasts now, this much was in truth assembling and running on a device. */
  ran(assembleMs: number, runMs: number): void {
    this.begin(this.#stage);
    const run = Math.min(runMs, this.#ms[this.#stage]);
    const assemble = Math.min(assembleMs, this.#ms[this.#stage] - run);
    this.#ms[this.#stage] -= run + assemble;
    this.#ms.run += run;
    this.#ms.assemble += assemble;
  }

  /** Ends the last stage. */
  end(): StageTimings {
    this.begin(this.#stage);
    const { receive, tokenize, queue, assemble, run, post } = this.#ms;
    return {
      receiveMs: receive,
      tokenizeMs: tokenize,
      queueMs: queue,
      assembleMs: assemble,
      runMs: run,
      postMs: post,
      totalMs: this.#since - this.#startedAt,
    };
  }

  /** Milliseconds by stage. */
  spent(): [Stage, number][] {
    return Object.entries(this.#ms) as [Stage, number][];
  }
}
