import { type AlbertConfig, parseAlbertConfig } from "../src/model/config.ts";
import type { Head } from "../src/model/heads.ts";
import { initialiseParameter } from "../src/model/initialise.ts";
import { modelParameters } from "../src/model/parameters.ts";
import type { Parameters, Tensor } from "../src/model/tensor.ts";
import type { SequenceInput } from "../src/runtime/engine.ts";

/** Published shapes, by the name people use. */
const SHAPES: Readonly<Record<"tiny" | "base" | "xxlarge", Record<string, number>>> = {
  tiny: { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64, embedding_size: 16 },
  base: { hidden_size: 768, num_hidden_layers: 12, num_attention_heads: 12, intermediate_size: 3072 },
  xxlarge: { hidden_size: 4096, num_hidden_layers: 12, num_attention_heads: 64, intermediate_size: 16384 },
};

const HEADS: readonly Head[] = [
  { kind: "classification", name: "label", problemType: "single-label", labels: ["no", "yes"] },
];

export interface RandomAlbert {
  readonly config: AlbertConfig;
  readonly heads: readonly Head[];
  readonly parameters: Parameters;
  readonly weightBytes: number;
}

/** A model of a published shape with random weights. They are made when they are asked for and not kept. */
export function randomAlbert(shape: keyof typeof SHAPES): RandomAlbert {
  const vocabulary = shape === "tiny" ? 1000 : 30_000;
  const { config } = parseAlbertConfig({ vocab_size: vocabulary, ...SHAPES[shape] });
  const specs = new Map(modelParameters(config, HEADS).map((spec) => [spec.name, spec]));
  const parameters = new (class extends Map<string, Tensor> {
    override has(name: string): boolean {
      return specs.has(name);
    }
    override get(name: string): Tensor | undefined {
      const spec = specs.get(name);
      return spec === undefined ? undefined : initialiseParameter(spec, 1);
    }
  })();
  const weightBytes = [...specs.values()].reduce((sum, spec) => sum + 4 * spec.shape.reduce((a, b) => a * b, 1), 0);
  return { config, heads: HEADS, parameters, weightBytes };
}

/** A sequence of this many tokens for such a model. */
export function randomSequence(length: number): SequenceInput {
  const inputIds = Int32Array.from({ length }, (_, position) => 5 + ((position * 7919 + length * 31) % 900));
  return { inputIds, tokenTypeIds: new Int32Array(length), outputs: ["label"] };
}
