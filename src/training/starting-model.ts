import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { AlbertError, invalidInput } from "../errors.ts";
import type { AlbertConfig } from "../model/config.ts";
import type { FineTuningHints, SentenceEncoding } from "../model/directory/model-directory.ts";
import { loadFittingTokenizer, openModelDirectory } from "../model/directory/open-model-directory.ts";
import { readVocabulary, type Vocabulary } from "../model/directory/vocabulary.ts";
import { parseModelConfig } from "../model/families/families.ts";
import type { Head } from "../model/heads.ts";
import { initialiseParameters } from "../model/initialise.ts";
import { trunkParameters } from "../model/parameters.ts";
import { PUBLISHED_CONFIG_NAMES, publishedConfig } from "../model/published-configs.ts";
import type { Parameters } from "../model/tensor.ts";
import { loadTokenizer } from "../tokenizer/load-tokenizer.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

// Opens the model that a run starts from: a version, a checkpoint, or random weights.

/** Where a run's weights come from. */
export type StartSpec =
  | {
      /** A model directory of ours, a Hugging Face directory, or a TensorFlow checkpoint's directory or prefix. */
      readonly kind: "checkpoint";
      readonly path: string;
      readonly config?: string;
      readonly vocabulary?: string;
      readonly lowerCase?: boolean;
    }
  | {
      readonly kind: "random";
      /** A published architecture ("base", "2x128") or the path of a configuration. */
      readonly architecture: string;
      readonly vocabulary: string;
      readonly lowerCase?: boolean;
    };

/** What training begins with. */
export interface StartingModel {
  readonly name: string;
  readonly config: AlbertConfig;
  /** Heads the checkpoint has; none for random weights. */
  readonly heads: readonly Head[];
  readonly parameters: Parameters;
  readonly vocabulary: Vocabulary;
  readonly tokenizer: Tokenizer;
  /** Digest of the version it was; absent for random weights. */
  readonly digest?: string;
  readonly fromScratch: boolean;
  /** What the model's maker measured about training it further. */
  readonly hints?: FineTuningHints;
  /** How its maker turns a text into a vector, where it was made for that. */
  readonly encoding?: SentenceEncoding;
  readonly warnings: readonly string[];
}

/**
 * Opens what a run starts from.
 *
 * @param seed  of random weights
 * @throws AlbertError not-found, corrupt or invalid-input naming what is wrong and where
 */
export async function openStart(start: StartSpec, seed: number): Promise<StartingModel> {
  if (start.kind === "random") return randomStart(start, seed);
  const { path, config, vocabulary, lowerCase } = start;
  const model = await openModelDirectory(path, {
    ...(config === undefined ? {} : { config }),
    ...(vocabulary === undefined ? {} : { vocabulary }),
    ...(lowerCase === undefined ? {} : { lowerCase }),
  });
  const { name, fineTuning, encoding } = model.manifest;
  return {
    ...{ ...model, name, fromScratch: false },
    ...(fineTuning === undefined ? {} : { hints: fineTuning }),
    ...(encoding === undefined ? {} : { encoding }),
  };
}

async function randomStart(
  { architecture, vocabulary: vocabularyPath, lowerCase }: Extract<StartSpec, { kind: "random" }>,
  seed: number,
): Promise<StartingModel> {
  const vocabulary = await readVocabulary(vocabularyPath, lowerCase === undefined ? {} : { lowerCase });
  const { config, warnings } = await configurationOf(architecture, loadTokenizer(vocabulary).vocabSize);
  return {
    name: `albert-${PUBLISHED_CONFIG_NAMES.includes(architecture) ? architecture : "custom"}`,
    config,
    heads: [],
    parameters: initialiseParameters(trunkParameters(config), seed),
    vocabulary,
    tokenizer: loadFittingTokenizer(vocabulary, config),
    fromScratch: true,
    warnings,
  };
}

/**
 * A published architecture, one from a file, or one written as JSON.
 *
 * @param vocabSize  of an architecture that does not say it
 */
export async function configurationOf(
  architecture: string,
  vocabSize: number,
): Promise<{ config: AlbertConfig; warnings: readonly string[] }> {
  const published = publishedConfig(architecture, vocabSize);
  if (published !== undefined) return { config: published, warnings: [] };
  if (architecture.trimStart().startsWith("{")) return parsedConfiguration(architecture, "the architecture", vocabSize);
  const text = await readFile(architecture, "utf8").catch((cause: unknown) => {
    const names = PUBLISHED_CONFIG_NAMES.join(", ");
    throw new AlbertError("not-found", `no configuration file of that name; known architectures are ${names}`, {
      reason: "CONFIG_NOT_FOUND",
      cause,
    });
  });
  return parsedConfiguration(text, basename(architecture), vocabSize);
}

function parsedConfiguration(text: string, name: string, vocabSize: number) {
  try {
    const json: unknown = JSON.parse(text);
    const sized = typeof json === "object" && json !== null ? { vocab_size: vocabSize, ...json } : json;
    return parseModelConfig(sized, name);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw invalidInput([{ field: "architecture", description: `the configuration is not JSON: ${cause.message}` }]);
  }
}
