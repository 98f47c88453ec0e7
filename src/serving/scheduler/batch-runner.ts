import { AlbertError } from "../../errors.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import { type Cancellation, CancellationSource } from "../../platform/waiting/cancellation.ts";
import type { Clock } from "../../platform/waiting/clock.ts";
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
    signal?: Cancellation,
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
    for (const [i, sequence] of batch.entries()) {
      const own = byRequest.get(sequence.request);
      const output = { sequence, output: outputs[i]! };
      if (own === undefined) byRequest.set(sequence.request, [output]);
      else own.push(output);
    }
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

/** What aborts when no caller waits for any sequence of a batch, so that the engine need not begin it. */
function abortWhenUnwanted(batch: readonly QueuedSequence[]): { signal: Cancellation; release: () => void } {
  const signal = new CancellationSource();
  const requests = new Set<QueuedRequest>();
  for (const { request } of batch) requests.add(request);
  let wanted = requests.size;
  const onFailure = () => {
    wanted--;
    if (wanted === 0) signal.abort(undefined);
  };
  for (const request of requests) request.onFailure(onFailure);
  return {
    signal,
    release: () => {
      for (const request of requests) request.offFailure(onFailure);
    },
  };
}
