import type { Model } from "../model/model-directory.ts";
import type { Engine } from "../runtime/engine.ts";
import { type TaskModel, taskModel } from "../tasks/plan.ts";
import type { Lane } from "./lane.ts";

/** A version that can answer: its model, its engine and its lane in the scheduler. Owned by `LiveModels`. */
export class LoadedVersion {
  /** Name it is served under, and version within that name. */
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly tokenizerDigest: string;
  readonly model: Omit<Model, "parameters" | "vocabulary">;
  readonly task: TaskModel;
  readonly engine: Engine;
  readonly lane: Lane;
  /** Bytes of its weights in memory. */
  readonly memoryBytes: number;
  #leases = 0;
  #idle: (() => void)[] = [];

  constructor(name: string, version: string, model: Model, engine: Engine, lane: Lane) {
    this.name = name;
    this.version = version;
    this.digest = model.digest;
    this.tokenizerDigest = model.tokenizer.digest;
    // The engine has taken the weights over; holding them here would keep a second copy alive.
    const { parameters, vocabulary: _, ...rest } = model;
    this.model = rest;
    this.memoryBytes = parameterBytes(parameters);
    this.task = taskModel(model);
    this.engine = engine;
    this.lane = lane;
  }

  /** Requests that will end on this version. */
  get leases(): number {
    return this.#leases;
  }

  /** Keeps the version alive for one request. @returns gives it up; calling it again does nothing */
  lease(): () => void {
    this.#leases++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#leases--;
      if (this.#leases === 0) for (const notify of this.#idle.splice(0)) notify();
    };
  }

  /** Resolves when no request needs the version any more. */
  async idle(): Promise<void> {
    if (this.#leases > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
}

/** Bytes of a model's weights. */
export function parameterBytes(parameters: Model["parameters"]): number {
  let bytes = 0;
  for (const { data } of parameters.values()) bytes += data.byteLength;
  return bytes;
}
