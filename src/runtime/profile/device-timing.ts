import { SerialQueue } from "../../platform/serial-queue.ts";
import { placeholders } from "../batch/placeholder.ts";
import type { DeviceKind, Engine } from "../engine.ts";
import type { PreparedModel } from "../session/prepared-model.ts";
import { shapeKey } from "./profile-cache.ts";

// Finds out which of several devices runs models of a shape faster, by running one of them on each.

/** What was found for one device: milliseconds for the sample of batches, or why it could not run them. */
export type DeviceTime =
  | { readonly device: DeviceKind; readonly ms: number }
  | { readonly device: DeviceKind; readonly reason: string };

/** Which device models of a shape run on, and why. */
export interface TimedChoice {
  readonly device: DeviceKind;
  /** In the order of the candidates. */
  readonly times: readonly DeviceTime[];
}

/** How a candidate is opened, and who hears of choices. */
export interface DeviceTimingOptions {
  /** Opens a model on the device that it was prepared for, without measuring it. */
  readonly openEngine: (model: PreparedModel) => Promise<Engine>;
  readonly onChosen?: (choice: TimedChoice, model: Pick<PreparedModel, "config">) => void;
}

/**
 * A later candidate must take less than this share of the first one's time. The first keeps answers equal to the bit
 * whatever their batch, which is not given up for a difference that may be noise.
 */
const CLEARLY_FASTER = 0.9;
/** Lengths of the sequences of each batch: a short text alone, a paragraph alone, several texts at once. */
const BATCHES = [[32], [128], [16, 32, 48, 64]];
/** Every candidate runs each batch so many times, in turn with the others; its fastest run counts. */
const ROUNDS = 3;

/**
 * Remembers for each shape of model on which of several devices it runs faster. A model's speed follows from its shape, not
 * from its weights: its next version is not timed again, nor is another model on the same trunk.
 */
export class DeviceTiming {
  readonly #options: DeviceTimingOptions;
  readonly #chosen = new Map<string, DeviceKind>();
  /** One model is timed at a time: two would slow each other. */
  readonly #turns = new SerialQueue();

  constructor(options: DeviceTimingOptions) {
    this.#options = options;
  }

  /** The choices so far, by `shapeKey`. */
  get chosen(): ReadonlyMap<string, DeviceKind> {
    return this.#chosen;
  }

  /**
   * The device for one model: that of the first candidate, unless another is clearly faster or the first cannot run it.
   *
   * @param candidates  one model as it was prepared for each device; at least one
   * @throws AlbertError whatever the first device throws, when the model runs on none
   */
  choose(candidates: readonly PreparedModel[]): Promise<DeviceKind> {
    return this.#turns.run(async () => {
      const key = shapeKey(candidates[0]!);
      const known = this.#chosen.get(key);
      if (known !== undefined) return known;
      const timed = await this.#time(candidates);
      const [first] = timed;
      const able = timed.filter(({ failure }) => failure === undefined);
      const fastest = able.reduce((best, each) => (each.ms < best.ms ? each : best), able[0] ?? first!);
      if (fastest.failure !== undefined) throw fastest.failure;
      const keepsFirst = first!.failure === undefined && fastest.ms >= CLEARLY_FASTER * first!.ms;
      const { device } = (keepsFirst ? first! : fastest).model;
      this.#chosen.set(key, device);
      this.#options.onChosen?.({ device, times: timed.map((each) => each.time) }, candidates[0]!);
      return device;
    });
  }

  async #time(candidates: readonly PreparedModel[]): Promise<Candidate[]> {
    const timed = candidates.map((model) => new Candidate(model));
    try {
      for (const each of timed) await each.open(this.#options.openEngine);
      for (let round = 0; round < ROUNDS; round++) {
        for (const batch of BATCHES.keys()) {
          for (const each of timed) await each.run(batch);
        }
      }
    } finally {
      for (const each of timed) await each.close();
    }
    return timed;
  }
}

/** One model on one device, while it is timed. What goes wrong is kept: the other devices are timed all the same. */
class Candidate {
  readonly model: PreparedModel;
  #engine: Engine | undefined;
  readonly #best = BATCHES.map(() => Number.POSITIVE_INFINITY);
  failure: unknown;

  constructor(model: PreparedModel) {
    this.model = model;
  }

  async open(openEngine: DeviceTimingOptions["openEngine"]): Promise<void> {
    await this.#attempt(async () => {
      this.#engine = await openEngine(this.model);
    });
  }

  async run(batch: number): Promise<void> {
    await this.#attempt(async () => {
      const { cost } = await this.#engine!.run(placeholders(this.model, BATCHES[batch]!));
      this.#best[batch] = Math.min(this.#best[batch]!, cost.runMs);
    });
  }

  async close(): Promise<void> {
    await this.#engine?.close();
  }

  /** Milliseconds of the fastest run of each batch. */
  get ms(): number {
    return this.#best.reduce((sum, ms) => sum + ms, 0);
  }

  get time(): DeviceTime {
    const { device } = this.model;
    if (this.failure === undefined) return { device, ms: Math.round(this.ms * 10) / 10 };
    return { device, reason: this.failure instanceof Error ? this.failure.message : String(this.failure) };
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    if (this.failure !== undefined) return;
    try {
      await work();
    } catch (error) {
      this.failure = error;
    }
  }
}
