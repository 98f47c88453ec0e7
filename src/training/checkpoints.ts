import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError, corrupt } from "../errors.ts";
import { sha256Of, withFile } from "../model/formats/random-access-file.ts";
import { decodeRecord, encodeRecord } from "../model/formats/records.ts";
import { readSafetensors } from "../model/formats/safetensors.ts";
import { writeSafetensors } from "../model/formats/safetensors-writer.ts";
import type { Tensor } from "../model/tensor.ts";
import { replaceFile } from "../platform/atomic-files.ts";
import { makeDirectory, syncDirectory } from "../platform/directories.ts";
import { freeDiskBytes } from "../platform/disk-space.ts";
import type { DivergenceWindow } from "./divergence.ts";
import type { TrainState } from "./step/training-step.ts";

// The checkpoints of a run on the disk: writing, verifying, reading and removing them.

/** The best evaluation so far. */
export interface BestResult {
  readonly metric: string;
  readonly value: number;
  readonly step: number;
}

/** The progress of a run, without its tensors. Data order, dropout and schedule follow from `step`, `seed` and `attempt`. */
export interface TrainingProgress {
  /** Optimizer steps applied. */
  readonly step: number;
  readonly seed: number;
  /** 0, or how often the run was restarted after a divergence; every restart has its own seeds. */
  readonly attempt: number;
  /** Factor on the schedule; halved by a restart after a divergence. */
  readonly learningRateScale: number;
  readonly examplesSeen: number;
  readonly tokensSeen: number;
  readonly best?: BestResult;
  /** Every metric of the best evaluation. */
  readonly bestMetrics?: Readonly<Record<string, number>>;
  /** Evaluations since the best one: early stopping's patience. */
  readonly evaluationsSinceBest: number;
  /** The divergence window so far. */
  readonly watched: DivergenceWindow;
}

/** Everything that decides the next bit of a run. */
export interface Checkpoint {
  readonly state: TrainState;
  readonly progress: TrainingProgress;
}

/** What a checkpoint must agree with to be continued, and what it was made on. */
export interface CheckpointIdentity {
  /** Digests of data order, features, architecture and recipe. Another value means another run: continuing is refused. */
  readonly digests: Readonly<Record<string, string>>;
  /** Engine, device, threads. Another value can change the last bits: continuing warns. */
  readonly fingerprint: Readonly<Record<string, string>>;
}

/** `manifest.json` of a checkpoint; written last, so a directory without one is no checkpoint. */
interface CheckpointManifest extends CheckpointIdentity {
  readonly formatVersion: 1;
  readonly progress: TrainingProgress;
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly bytes: number }>>;
}

export interface LoadedCheckpoint extends Checkpoint, CheckpointIdentity {
  /** One sentence for each newer checkpoint that could not be used. */
  readonly warnings: readonly string[];
}

export interface CheckpointStoreOptions {
  readonly directory: string;
  readonly identity: CheckpointIdentity;
  /** Newest checkpoints to keep besides the best and the pinned ones (`keep_checkpoint_max`). */
  readonly keepLast: number;
}

const MANIFEST = "manifest.json";
const PIN = "pinned";

/**
 * The checkpoints of one run, each a directory `step-<n>` of safetensors files. A checkpoint is written next to its final
 * name, flushed, and renamed: at any instant a directory under its final name is complete. One writer at a time.
 */
export class CheckpointStore {
  readonly #options: CheckpointStoreOptions;

  private constructor(options: CheckpointStoreOptions) {
    this.#options = options;
  }

  /** Opens or creates the store, and clears away what an interrupted write left. */
  static async open(options: CheckpointStoreOptions): Promise<CheckpointStore> {
    const { directory } = options;
    await makeDirectory(directory);
    for (const name of await readdir(directory)) {
      if (name.startsWith(".")) await rm(join(directory, name), { recursive: true, force: true });
    }
    return new CheckpointStore(options);
  }

  /** Steps that have a checkpoint, ascending. */
  async steps(): Promise<number[]> {
    const names = await readdir(this.#options.directory);
    return names
      .flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  /**
   * Writes a checkpoint durably, then removes those that retention lets go.
   *
   * @returns steps whose checkpoints were removed
   * @throws AlbertError precondition (DISK_FULL) before anything is written
   */
  async write(checkpoint: Checkpoint): Promise<{ readonly bytes: number; readonly pruned: readonly number[] }> {
    const { directory, identity } = this.#options;
    const { progress } = checkpoint;
    const files = tensorFiles(checkpoint);
    await this.#requireSpace(files);
    const temporary = join(directory, `.writing-${progress.step}`);
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary);
    const digests: Record<string, { sha256: string; bytes: number }> = {};
    for (const [name, tensors] of Object.entries(files)) {
      const path = join(temporary, name);
      await writeSafetensors(path, tensors);
      digests[name] = { sha256: await withFile(path, sha256Of), bytes: (await stat(path)).size };
    }
    const manifest: CheckpointManifest = { formatVersion: 1, progress, ...identity, files: digests };
    await replaceFile(join(temporary, MANIFEST), encodeRecord(manifest));
    const final = this.#pathOf(progress.step);
    const replaced = join(directory, `.replaced-${progress.step}`);
    await rename(final, replaced).catch(ignoreMissing);
    await rename(temporary, final);
    await syncDirectory(directory);
    await rm(replaced, { recursive: true, force: true });
    const bytes = Object.values(digests).reduce((sum, file) => sum + file.bytes, 0);
    return { bytes, pruned: await this.#prune(progress.best?.step) };
  }

  /**
   * The newest checkpoint that verifies, or undefined when there is none at all.
   *
   * @throws AlbertError corrupt when checkpoints exist and none is whole; precondition (RESUME_MISMATCH) when the newest
   *   whole one belongs to other data, another architecture or another recipe
   */
  async loadNewest(): Promise<LoadedCheckpoint | undefined> {
    const steps = (await this.steps()).reverse();
    const warnings: string[] = [];
    for (const step of steps) {
      try {
        return await this.#load(step, warnings);
      } catch (error) {
        if (!(error instanceof AlbertError) || error.code !== "corrupt") throw error;
        warnings.push(`checkpoint of step ${step} is damaged (${error.message}); using the one before it`);
      }
    }
    if (steps.length === 0) return undefined;
    throw corrupt(`none of the ${steps.length} checkpoints is whole: ${warnings.join("; ")}`);
  }

  /** The checkpoint of one step, verified. */
  async load(step: number): Promise<LoadedCheckpoint> {
    return this.#load(step, []);
  }

  /** Removes every checkpoint newer than this step, newest first: a run goes back. */
  async discardAfter(step: number): Promise<void> {
    for (const newer of (await this.steps()).filter((candidate) => candidate > step).reverse()) {
      await this.#discard(newer);
    }
  }

  /** Keeps the checkpoint of this step for good. */
  async pin(step: number): Promise<void> {
    await writeFile(join(this.#pathOf(step), PIN), "");
    await syncDirectory(this.#pathOf(step));
  }

  async #load(step: number, warnings: string[]): Promise<LoadedCheckpoint> {
    const path = this.#pathOf(step);
    const manifest = await this.#readManifest(path, step);
    this.#checkIdentity(manifest, warnings);
    const tensors = new Map<string, Map<string, Tensor>>();
    for (const [name, { sha256 }] of Object.entries(manifest.files)) {
      const digest = await withFile(join(path, name), sha256Of).catch(() => "");
      if (digest !== sha256) throw corrupt(`${name} of step ${step} does not have the digest of its manifest`);
      tensors.set(name, await readTensors(join(path, name)));
    }
    const file = (name: string) => tensors.get(name) ?? new Map<string, Tensor>();
    return {
      state: {
        parameters: file("parameters.safetensors"),
        adamM: file("adam_m.safetensors"),
        adamV: file("adam_v.safetensors"),
        ema: file("ema.safetensors"),
        globalStep: manifest.progress.step,
      },
      progress: manifest.progress,
      digests: manifest.digests,
      fingerprint: manifest.fingerprint,
      warnings,
    };
  }

  async #readManifest(path: string, step: number): Promise<CheckpointManifest> {
    let manifest: CheckpointManifest;
    try {
      manifest = decodeRecord(await readFile(join(path, MANIFEST)), "it");
    } catch (cause) {
      throw corrupt(`the manifest of step ${step} cannot be read`, { cause });
    }
    if (manifest.formatVersion !== 1 || manifest.progress?.step !== step) {
      throw corrupt(`the manifest of step ${step} is of another format or another step`);
    }
    return manifest;
  }

  #checkIdentity(manifest: CheckpointManifest, warnings: string[]): void {
    const { digests, fingerprint } = this.#options.identity;
    const changed = Object.keys({ ...digests, ...manifest.digests }).filter(
      (key) => digests[key] !== manifest.digests[key],
    );
    if (changed.length > 0) {
      throw new AlbertError(
        "precondition",
        `the checkpoints belong to another run: ${changed.join(", ")} changed. Resume with what the run began with, or choose another output directory`,
        { reason: "RESUME_MISMATCH", metadata: { changed: changed.join(",") } },
      );
    }
    for (const [key, value] of Object.entries(fingerprint)) {
      if (manifest.fingerprint[key] !== value) {
        warnings.push(
          `${key} was ${manifest.fingerprint[key] ?? "unknown"} and is now ${value}: results may differ in the last bits`,
        );
      }
    }
  }

  async #prune(bestStep: number | undefined): Promise<number[]> {
    const steps = await this.steps();
    const kept = new Set(steps.slice(-Math.max(1, this.#options.keepLast)));
    if (bestStep !== undefined) kept.add(bestStep);
    const pruned: number[] = [];
    for (const step of steps.filter((candidate) => !kept.has(candidate))) {
      const path = this.#pathOf(step);
      const pinned = await stat(join(path, PIN)).then(
        () => true,
        () => false,
      );
      if (pinned) continue;
      await this.#discard(step);
      pruned.push(step);
    }
    return pruned;
  }

  /** Renames first, so that a kill while deleting never leaves half a checkpoint under a final name. */
  async #discard(step: number): Promise<void> {
    const discarded = join(this.#options.directory, `.discarded-${step}`);
    await rename(this.#pathOf(step), discarded);
    await rm(discarded, { recursive: true, force: true });
  }

  async #requireSpace(files: Readonly<Record<string, ReadonlyMap<string, Tensor>>>): Promise<void> {
    let needed = 1 << 20;
    for (const tensors of Object.values(files)) for (const { data } of tensors.values()) needed += data.byteLength;
    const free = await freeDiskBytes(this.#options.directory);
    if (free < needed) {
      throw new AlbertError(
        "precondition",
        `a checkpoint needs ${needed} bytes of disk and ${free} are free: free some, or keep fewer checkpoints`,
        { reason: "DISK_FULL", metadata: { needed: String(needed), free: String(free) } },
      );
    }
  }

  #pathOf(step: number): string {
    return join(this.#options.directory, `step-${String(step).padStart(9, "0")}`);
  }
}

function tensorFiles({ state }: Checkpoint): Record<string, ReadonlyMap<string, Tensor>> {
  return {
    "parameters.safetensors": state.parameters,
    "adam_m.safetensors": state.adamM,
    "adam_v.safetensors": state.adamV,
    ...(state.ema.size === 0 ? {} : { "ema.safetensors": state.ema }),
  };
}

async function readTensors(path: string): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  for (const [name, { shape, data }] of (await readSafetensors(path)).tensors) {
    if (!(data instanceof Float32Array)) throw corrupt(`tensor ${name} of a checkpoint is not float32`);
    tensors.set(name, { shape, data });
  }
  return tensors;
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
