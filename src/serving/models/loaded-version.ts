import type { Vocabulary } from "../../model/directory/vocabulary.ts";
import type { Engine } from "../../runtime/engine.ts";
import { type TaskModel, taskModel } from "../../tasks/plan.ts";
import type { ModelQueue } from "../scheduler/model-queue.ts";
import type { ServableModel } from "./reader.ts";

// A version that can answer, and who still needs it. It is neither loaded nor ended here.

/** A version that can answer: its model, its engine and its queue in the scheduler. Owned by `ModelRegistry`. */
export class LoadedVersion {
  /** Name it is served under, and version within that name. */
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly tokenizerDigest: string;
  readonly model: Omit<ServableModel, "vocabulary" | "remove">;
  readonly task: TaskModel;
  /** For the thread that tokenizes long texts. */
  readonly vocabulary: Vocabulary;
  readonly engine: Engine;
  readonly queue: ModelQueue;
  /** About the bytes that it takes in memory: those of its graph and weights. */
  readonly memoryBytes: number;
  readonly #removeFiles: () => Promise<void>;
  #references = 0;
  #idle: (() => void)[] = [];

  constructor(name: string, version: string, model: ServableModel, engine: Engine, queue: ModelQueue) {
    this.name = name;
    this.version = version;
    this.digest = model.digest;
    this.tokenizerDigest = model.tokenizer.digest;
    const { vocabulary, remove, ...rest } = model;
    this.model = rest;
    this.vocabulary = vocabulary;
    this.memoryBytes = model.fileBytes;
    this.#removeFiles = remove;
    this.task = taskModel(model);
    this.engine = engine;
    this.queue = queue;
  }

  /** Requests that will end on this version. */
  get references(): number {
    return this.#references;
  }

  /** Keeps the version alive for one request. The returned function gives it up; calling that again does nothing. */
  retain(): () => void {
    this.#references++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#references--;
      if (this.#references === 0) for (const notify of this.#idle.splice(0)) notify();
    };
  }

  /** Ends its engine and deletes its files; its queue must be closed. */
  async close(): Promise<void> {
    try {
      await this.engine.close();
    } finally {
      await this.#removeFiles();
    }
  }

  /** Resolves when no request needs the version any more. */
  async idle(): Promise<void> {
    if (this.#references > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
}
