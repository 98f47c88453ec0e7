import type { TrunkProduct } from "../../model/activation-scales.ts";

// What is remembered of a product's inputs: the range of each channel over all tokens, and some whole rows.

/** A product's inputs, as far as they are remembered. */
export interface InputSample {
  readonly product: TrunkProduct;
  /** Of each application, in the order of layers. */
  readonly applications: readonly ApplicationSample[];
}

export interface ApplicationSample {
  /** Least and largest value of each channel [inputs]. */
  readonly least: Float32Array;
  readonly largest: Float32Array;
  /** float32 [rows, inputs] */
  readonly rows: Float32Array;
}

/** Collects the inputs of one product. Which rows it keeps follows from their number alone: they are spread evenly. */
export class InputCollector {
  readonly #product: TrunkProduct;
  readonly #tokens: number;
  readonly #kept: number;
  readonly #samples: { least: Float32Array; largest: Float32Array; rows: Float32Array; filled: number }[];
  #seen = 0;

  /** @param tokens  how many will come  @param rows  how many of them are kept, at most */
  constructor(product: TrunkProduct, tokens: number, rows: number) {
    const { inputs } = product;
    this.#product = product;
    this.#tokens = tokens;
    this.#kept = Math.min(tokens, rows);
    this.#samples = Array.from({ length: product.applications }, () => ({
      least: new Float32Array(inputs).fill(Number.POSITIVE_INFINITY),
      largest: new Float32Array(inputs).fill(Number.NEGATIVE_INFINITY),
      rows: new Float32Array(this.#kept * inputs),
      filled: 0,
    }));
  }

  /** @param applications  float32 [tokens of a batch, inputs] of each application */
  add(applications: readonly Float32Array[]): void {
    const { inputs } = this.#product;
    applications.forEach((values, application) => {
      const sample = this.#samples[application]!;
      const { least, largest } = sample;
      for (let at = 0, token = this.#seen; at < values.length; at += inputs, token++) {
        for (let channel = 0; channel < inputs; channel++) {
          const value = values[at + channel]!;
          if (value < least[channel]!) least[channel] = value;
          if (value > largest[channel]!) largest[channel] = value;
        }
        if (!this.#keeps(token)) continue;
        sample.rows.set(values.subarray(at, at + inputs), sample.filled);
        sample.filled += inputs;
      }
    });
    this.#seen += (applications[0]?.length ?? 0) / inputs;
  }

  /** What was collected, once all tokens have come. */
  sample(): InputSample {
    return { product: this.#product, applications: this.#samples };
  }

  #keeps(token: number): boolean {
    const share = this.#kept / this.#tokens;
    return Math.floor((token + 1) * share) > Math.floor(token * share);
  }
}
