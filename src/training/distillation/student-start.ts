import { type AlbertConfig, groupOfLayer } from "../../model/config.ts";
import type { Model } from "../../model/directory/model-directory.ts";
import { loadFittingTokenizer } from "../../model/directory/open-model-directory.ts";
import { uncalibrated } from "../../model/heads.ts";
import { initialiseParameters } from "../../model/initialise.ts";
import { blockScope, headParameters, trunkParameters } from "../../model/parameters.ts";
import { type Parameters, sizeOf, type Tensor } from "../../model/tensor.ts";
import { configurationOf, type StartingModel } from "../starting-model.ts";
import { blockCount, uniformLayers } from "./distillation.ts";
import { factorisedEmbeddings } from "./factorised-embeddings.ts";

// What a student given as an architecture begins with. It reads the teacher's vocabulary.

/** A student to be made. */
export interface StudentSpec {
  readonly kind: "student";
  /** A published architecture ("2x128"), the path of a configuration, or one as JSON. */
  readonly architecture: string;
}

/**
 * A student of an architecture: random weights, or what of the teacher's fits it.
 *
 * - Embeddings of the teacher's width are its own; narrower ones, of a student with the teacher's hidden size, are the best
 *   approximation of that width (`factorised-embeddings.ts`).
 * - A group of layers begins as the teacher's block at the depth where the group is used first, where widths and heads are equal.
 * - Pooler and heads are the teacher's where the hidden size is.
 */
export async function openStudent(
  { architecture }: StudentSpec,
  teacher: Model,
  from: "teacher" | "random",
  seed: number,
): Promise<StartingModel> {
  const { config, warnings } = await configurationOf(architecture, teacher.config.vocabSize);
  const tokenizer = loadFittingTokenizer(teacher.vocabulary, config);
  const parameters = initialiseParameters(trunkParameters(config), seed);
  const heads =
    from === "teacher" && config.hiddenSize === teacher.config.hiddenSize
      ? teacher.manifest.heads.map(uncalibrated)
      : [];
  const fitting = from === "teacher" ? fittingParameters(config, teacher) : new Map<string, Tensor>();
  for (const [name, value] of fitting) parameters.set(name, value);
  for (const head of heads) {
    for (const { name } of headParameters(config, head)) parameters.set(name, teacher.parameters.get(name)!);
  }
  const nothing = `no weight of the teacher fits a student of hidden size ${config.hiddenSize}: all of it begins at random`;
  return {
    name: "student",
    config,
    heads,
    parameters,
    vocabulary: teacher.vocabulary,
    tokenizer,
    fromScratch: true,
    warnings: [...warnings, ...(from === "teacher" && fitting.size === 0 ? [nothing] : [])],
  };
}

/** The teacher's parameters, or what is made of them, that a trunk of this architecture can begin with. */
function fittingParameters(config: AlbertConfig, { config: other, parameters }: Model): Map<string, Tensor> {
  const fitting = new Map<string, Tensor>();
  const shapes = new Map(trunkParameters(config).map(({ name, shape }) => [name, shape]));
  const take = (name: string, from: string) => {
    const value = parameters.get(from);
    const shape = shapes.get(name);
    if (value !== undefined && shape !== undefined && shape.join() === value.shape.join()) fitting.set(name, value);
  };
  const sameWidth = config.hiddenSize === other.hiddenSize;
  for (const [name, value] of embeddings(config, other, parameters)) fitting.set(name, value);
  if (
    sameWidth &&
    config.numAttentionHeads === other.numAttentionHeads &&
    config.intermediateSize === other.intermediateSize
  ) {
    for (const [scope, from] of blockSources(config, other)) {
      for (const name of shapes.keys()) {
        if (name.startsWith(`${scope}/`)) take(name, from + name.slice(scope.length));
      }
    }
  }
  if (sameWidth && config.poolerAct === other.poolerAct) {
    for (const name of ["bert/pooler/dense/kernel", "bert/pooler/dense/bias"]) take(name, name);
  }
  return fitting;
}

/** Scope of each of the student's blocks and of the teacher's block at the depth where it is used first. */
function blockSources(config: AlbertConfig, other: AlbertConfig): Map<string, string> {
  const map = new Map(uniformLayers(config, other));
  const scopeOf = (of: AlbertConfig, block: number) => {
    const layer = Math.floor((block - 1) / of.innerGroupNum);
    return blockScope(groupOfLayer(of, layer), (block - 1) % of.innerGroupNum);
  };
  const sources = new Map<string, string>();
  for (let block = 1; block <= blockCount(config); block++) {
    const scope = scopeOf(config, block);
    if (!sources.has(scope)) sources.set(scope, scopeOf(other, Math.max(1, map.get(block)!)));
  }
  return sources;
}

function embeddings(config: AlbertConfig, other: AlbertConfig, parameters: Parameters): ReadonlyMap<string, Tensor> {
  if (config.vocabSize !== other.vocabSize) return new Map();
  if (config.embeddingSize !== other.embeddingSize) {
    return config.embeddingSize < config.hiddenSize && config.hiddenSize === other.hiddenSize
      ? factorisedEmbeddings(config, { config: other, parameters })
      : new Map();
  }
  const names = trunkParameters(config)
    .filter(
      ({ name }) => name.startsWith("bert/embeddings/") || name.startsWith("bert/encoder/embedding_hidden_mapping_in/"),
    )
    .flatMap(({ name, shape }) => {
      const value = parameters.get(name);
      return value === undefined ? [] : [{ name, shape, value }];
    });
  return new Map(
    names.flatMap(({ name, shape, value }): [string, Tensor][] => {
      // Fewer positions or token types are the first ones.
      const fits = shape[0]! <= value.shape[0]! && shape.slice(1).join() === value.shape.slice(1).join();
      const exact = !name.includes("position") && !name.includes("token_type");
      if (!fits || (exact && shape.join() !== value.shape.join())) return [];
      return [[name, { shape, data: value.data.slice(0, sizeOf(shape)) }]];
    }),
  );
}
