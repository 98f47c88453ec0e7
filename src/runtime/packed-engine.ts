import type { Worker } from "node:worker_threads";
import { invariant } from "../errors.ts";
import type { Precision } from "../graph/serving/dense.ts";
import type { ServingModel } from "../graph/serving/serving-graph.ts";
import { splitOutputs } from "./batch/batch-outputs.ts";
import { checkSequences } from "./batch/input-check.ts";
import { type PackedBatch, packBatch } from "./batch/packed-batch.ts";
import { placeholders } from "./batch/placeholder.ts";
import { planChunks, predictBatchMs } from "./batch/sub-batches.ts";
import { availableThreads } from "./cpu-quota.ts";
import type { BatchResult, DeviceKind, Engine, RunOptions, SequenceInput, SequenceOutput } from "./engine.ts";
import type { OpenVinoPlaces } from "./openvino/openvino-session.ts";
import { CostModel, runShape } from "./profile/cost-model.ts";
import type { ProfileCache } from "./profile/profile-cache.ts";
import { findTokenBudget } from "./profile/token-budget.ts";
import { removeModelFiles } from "./session/model-files.ts";
import { type PreparedModel, prepareModel } from "./session/prepared-model.ts";
import { type LostReason, SessionHost } from "./session/session-host.ts";
import type { WorkerTask } from "./session/thread-messages.ts";

// The engine that runs packed batches on one device: creation, warm-up, runs, and the watch for a stall.

/** How a prepared model is run. */
export interface RunningOptions {
  /** Threads inside one operator on the CPU. Default: what the cgroup's quota allows. */
  readonly threads?: number;
  /** How long measuring the device's saturation point may take. Default 500 ms; 0 only warms up. */
  readonly calibrationMs?: number;
  /** Remembers measurements, so that another model of the same shape need not be measured. */
  readonly profiles?: ProfileCache;
  /** Where OpenVINO is, for its device. */
  readonly openVino?: OpenVinoPlaces;
  /** Yields to other threads until it ends (see `lowerThreadPriority`). */
  readonly background?: boolean;
  /** Called when the worker died or stalled and is being replaced. */
  readonly onWorkerLost?: (reason: LostReason) => void;
  /** Starts the session's thread; for tests of what happens when it fails. */
  readonly spawnWorker?: (task: WorkerTask) => Worker;
}

export interface EngineOptions extends RunningOptions {
  readonly device: DeviceKind;
  /** Arithmetic of the trunk's matrix products. Default fp32; int8 needs the cpu or openvino, bf16 openvino, fp16 webgpu or cuda. */
  readonly precision?: Precision;
  /** Where the model's files are written for the session; default: the directory for temporary files. */
  readonly workDirectory?: string;
}

const DEFAULT_CALIBRATION_MS = 500;
/** Largest batch that calibration tries. */
const MAX_TOKENS: Readonly<Record<DeviceKind, number>> = { cpu: 2048, openvino: 2048, webgpu: 8192, cuda: 32_768 };
/** A batch that takes this many times longer than predicted has stalled, */
const STALL_FACTOR = 20;
/** but never before this. */
const STALL_FLOOR_MS = 60_000;
/** Runs of one batch hold at most this many budgets of tokens, but at least `LEAST_CHUNK`: more would only take memory. */
const CHUNK_BUDGETS = 2;
const LEAST_CHUNK = 1024;

/**
 * Loads a model onto a device: writes its graph, creates the session on a thread of its own, warms it up and measures it.
 * All of the weights pass through this thread; a server prepares its models on another one and calls `openEngine`.
 *
 * @throws AlbertError corrupt (a variable is missing or misshapen), backend (the runtime refused the graph)
 */
export async function createEngine(model: ServingModel, options: EngineOptions): Promise<Engine> {
  const { device, precision = "fp32", workDirectory } = options;
  const prepared = await prepareModel(model, { device, precision }, workDirectory);
  const remove = () => removeModelFiles(prepared);
  try {
    return await startEngine(prepared, options, remove);
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * Runs a prepared model: creates the session on a thread of its own, warms it up and measures it. The model's files must
 * stay until the engine has been closed, for a session that is lost is made from them again.
 *
 * @throws AlbertError backend (the runtime refused the graph)
 */
export function openEngine(model: PreparedModel, options: RunningOptions = {}): Promise<Engine> {
  return startEngine(model, options, async () => {});
}

async function startEngine(
  model: PreparedModel,
  options: RunningOptions,
  onClosed: () => Promise<void>,
): Promise<SessionEngine> {
  const { modelPath, device, precision } = model;
  const { calibrationMs = DEFAULT_CALIBRATION_MS, background = false, threads = availableThreads() } = options;
  const host = await SessionHost.start({
    task: { modelPath, session: sessionOf(model, threads, options.openVino), background },
    ...(options.spawnWorker === undefined ? {} : { spawn: options.spawnWorker }),
    ...(options.onWorkerLost === undefined ? {} : { onLost: options.onWorkerLost }),
  });
  // What is measured in the background says nothing about engines that are not, so such engines share nothing.
  const profiles = background ? undefined : options.profiles;
  const measured = { device, precision, threads };
  const known = profiles?.find(model, measured);
  const cost = known?.cost ?? new CostModel();
  const engine = new SessionEngine(model, host, cost, onClosed);
  try {
    const tokenBudget = await engine.warmUp(known === undefined ? calibrationMs : 0);
    engine.tokenBudget = known?.tokenBudget ?? tokenBudget;
    if (known === undefined && calibrationMs > 0) profiles?.keep(model, measured, { cost, tokenBudget });
  } catch (error) {
    await host.close();
    throw error;
  }
  return engine;
}

function sessionOf(
  { device, precision, outputs }: PreparedModel,
  threads: number,
  places: OpenVinoPlaces | undefined,
): WorkerTask["session"] {
  if (device !== "openvino") return { device, threads };
  invariant(precision !== "fp16", "fp16 on OpenVINO");
  return { device, threads, outputs, precision, ...places };
}

/** An engine over one session worker. It holds no weights: those are with the worker. */
class SessionEngine implements Engine {
  readonly device: DeviceKind;
  readonly #model: PreparedModel;
  readonly #host: SessionHost;
  readonly #cost: CostModel;
  readonly #onClosed: () => Promise<void>;
  tokenBudget = 1;

  constructor(model: PreparedModel, host: SessionHost, cost: CostModel, onClosed: () => Promise<void>) {
    this.device = model.device;
    this.#model = model;
    this.#host = host;
    this.#cost = cost;
    this.#onClosed = onClosed;
  }

  predictMs(lengths: readonly number[]): number {
    return predictBatchMs(lengths, this.#cost, this.#maxChunkTokens);
  }

  async run(sequences: readonly SequenceInput[], { signal }: RunOptions = {}): Promise<BatchResult> {
    const { config, heads } = this.#model;
    checkSequences(sequences, config, heads);
    const lengths = sequences.map(({ inputIds }) => inputIds.length);
    const chunks = planChunks(lengths, this.#cost, this.#maxChunkTokens);
    const stallMs = Math.max(STALL_FLOOR_MS, STALL_FACTOR * this.predictMs(lengths));
    let packed: PackedBatch[] = [];
    let assembleMs = 0;
    const pack = () => {
      const startedAt = performance.now();
      packed = chunks.map((chunk) =>
        packBatch(
          { target: this.device, heads },
          chunk.map((index) => sequences[index]!),
        ),
      );
      assembleMs = performance.now() - startedAt;
      return packed.map(({ feeds }) => feeds);
    };
    const result = await this.#host.run({ pack, stallMs, ...(signal === undefined ? {} : { signal }) });
    const outputs = new Array<SequenceOutput>(sequences.length);
    const nonFinite: number[] = [];
    chunks.forEach((chunk, at) => {
      splitOutputs(heads, packed[at]!, result.outputs[at]!).forEach((output, index) => {
        const sequence = chunk[index]!;
        outputs[sequence] = output;
        if (result.nonFinite[at]!.length > 0 && hasNonFinite(output)) nonFinite.push(sequence);
      });
      this.#cost.observe(runShape(chunk.map((index) => lengths[index]!)), result.runMs[at]!);
    });
    return {
      outputs,
      ...(nonFinite.length === 0 ? {} : { nonFinite: nonFinite.sort((a, b) => a - b) }),
      cost: {
        tokens: packed.reduce((sum, { tokens }) => sum + tokens, 0),
        paddedTokens: packed.reduce((sum, { paddedTokens }) => sum + paddedTokens, 0),
        assembleMs,
        runMs: result.runMs.reduce((sum, ms) => sum + ms, 0),
      },
    };
  }

  async close(): Promise<void> {
    await this.#host.close();
    await this.#onClosed();
  }

  /** Runs several shapes. @returns the token budget that follows from what they took */
  async warmUp(budgetMs: number): Promise<number> {
    const { config, heads } = this.#model;
    const timed = async (lengths: readonly number[]) => {
      const { feeds } = packBatch({ target: this.device, heads }, placeholders(this.#model, lengths));
      const { runMs } = await this.#host.run({ pack: () => [feeds], stallMs: Math.max(STALL_FLOOR_MS, 10 * 60_000) });
      return runMs[0]!;
    };
    return findTokenBudget(timed, {
      maxLength: config.maxPositionEmbeddings,
      maxTokens: MAX_TOKENS[this.device],
      budgetMs,
      cost: this.#cost,
    });
  }

  get #maxChunkTokens(): number {
    return Math.max(LEAST_CHUNK, CHUNK_BUDGETS * this.tokenBudget);
  }
}

function hasNonFinite(output: SequenceOutput): boolean {
  for (const tensors of output.values()) {
    for (const values of Object.values(tensors)) {
      if (values instanceof Float32Array && !values.every(Number.isFinite)) return true;
    }
  }
  return false;
}
