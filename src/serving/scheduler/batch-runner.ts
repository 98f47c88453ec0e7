import { AlbertError } from "../../errors.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { Clock } from "../../platform/clock.ts";
import type { BatchResult } from "../../runtime/engine.ts";
import { nonFinite, poisonous } from "../errors.ts";
import { bisect, workerLost } from "./bisect.ts";
import type { ModelQueue } from "./model-queue.ts";
import { hashSequence, type Quarantine } from "./quarantine.ts";
import type { OwnOutput, QueuedRequest, QueuedSequence } from "./queued-request.ts";
import { traceBatch } from "./trace-batch.ts";

// Computes one batch and answers every request in it. It does not choose what runs, nor when.

export interface BatchRunnerOptions {
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, "batches">;
  readonly quarantine: Quarantine;
}

/** Sends batches to engines. Whatever happens to a batch, each of its requests ends with its outputs or with an error. */
export class BatchRunner {
  readonly #options: BatchRunnerOptions;

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
  }

  /** Computes a batch of one queue and hands out its outputs. Never rejects. */
  async run(queue: ModelQueue, batch: readonly QueuedSequence[], predictedMs: number): Promise<void> {
    const { signal, release } = abortWhenUnwanted(batch);
    try {
      this.#deliver(queue, batch, await this.#compute(queue, batch, predictedMs, signal));
    } catch (error) {
      await this.#recover(queue, batch, error);
    } finally {
      release();
    }
  }

  async #compute(
    queue: ModelQueue,
    batch: readonly QueuedSequence[],
    predictedMs: number,
    signal?: AbortSignal,
  ): Promise<BatchResult> {
    const { engine } = queue.options;
    const inputs = batch.map(({ input }) => input);
    const startedAt = this.#options.clock.now();
    const result = await engine.run(inputs, signal === undefined ? {} : { signal });
    if (result.outputs.length !== batch.length) {
      const message = `the engine gave ${result.outputs.length} outputs for ${batch.length} sequences`;
      throw new AlbertError("backend", message, { reason: "BACKEND_FAILED" });
    }
    const { tokens, paddedTokens, runMs } = result.cost;
    this.#options.metrics.batches.ran({
      device: engine.device,
      sequences: batch.length,
      tokens,
      paddedTokens,
      runSeconds: runMs / 1000,
      predictedSeconds: predictedMs / 1000,
    });
    traceBatch(batch, result.cost, startedAt, this.#options.clock.now());
    return result;
  }

  #deliver(
    queue: ModelQueue,
    batch: readonly QueuedSequence[],
    { outputs, cost, nonFinite: bad = [] }: BatchResult,
  ): void {
    const now = this.#options.clock.now();
    for (const index of bad) queue.fail(batch[index]!.request, "failed", nonFinite());
    const byRequest = new Map<QueuedRequest, OwnOutput[]>();
    batch.forEach((sequence, i) => {
      const own = byRequest.get(sequence.request) ?? [];
      own.push({ sequence, output: outputs[i]! });
      byRequest.set(sequence.request, own);
    });
    for (const [request, own] of byRequest) {
      this.#countWaste(request, own, cost);
      request.receive(own, batch.length, cost, now);
      if (request.state.kind === "answered") queue.answered(request);
    }
  }

  /** Device time that was spent on a request whose caller no longer waits. */
  #countWaste({ state }: QueuedRequest, own: readonly OwnOutput[], { tokens, runMs }: BatchResult["cost"]): void {
    if (state.kind !== "failed" || state.failure === "failed") return;
    const share = own.reduce((sum, { sequence }) => sum + sequence.length, 0) / Math.max(1, tokens);
    this.#options.metrics.batches.wasted(state.failure, (runMs / 1000) * share);
  }

  /** Computes a failed batch again in parts, so that a bad input fails alone and a broken engine fails fast. */
  async #recover(queue: ModelQueue, batch: readonly QueuedSequence[], error: unknown): Promise<void> {
    const failed = ({ request }: QueuedSequence, reason: unknown) => queue.fail(request, "failed", reason);
    try {
      await bisect(batch, error, {
        run: async (part) => {
          const predictedMs = queue.predictMs(part.map(({ length }) => length));
          this.#deliver(queue, part, await this.#compute(queue, part, predictedMs));
        },
        probe: queue.options.probe,
        reject: (sequence, reason) => this.#reject(queue, sequence, reason),
        failed,
      });
    } catch (bug) {
      for (const sequence of batch) failed(sequence, bug);
    }
  }

  /** Fails the request of an input that the runtime fails on, and refuses the input from now on. */
  #reject(queue: ModelQueue, { request, input }: QueuedSequence, error: unknown): void {
    // What the engine calls invalid needs no search: the caller gets its message.
    if (error instanceof AlbertError && error.code === "invalid-input") {
      queue.fail(request, "failed", error);
      return;
    }
    this.#options.quarantine.add(hashSequence(queue.options.digest, input));
    this.#options.metrics.batches.poison(workerLost(error) ? "worker" : "backend");
    queue.fail(request, "failed", poisonous(error));
  }
}

/** A signal that aborts when no caller waits for any sequence of a batch, so that the engine need not begin it. */
function abortWhenUnwanted(batch: readonly QueuedSequence[]): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const wanted = new Set(batch.map(({ request }) => request));
  const stops = [...wanted].map((request) =>
    request.onFailure(() => {
      wanted.delete(request);
      if (wanted.size === 0) controller.abort();
    }),
  );
  return {
    signal: controller.signal,
    release: () => {
      for (const stop of stops) stop();
    },
  };
}
