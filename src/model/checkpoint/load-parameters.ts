import { corrupt } from "../../errors.ts";
import type { AlbertConfig } from "../config.ts";
import { familyNamed } from "../families/families.ts";
import { type Head, readsPooled } from "../heads.ts";
import { modelParameters, type ParameterSpec, trunkParameters } from "../parameters.ts";
import { sizeOf, type Tensor } from "../tensor.ts";
import { detectNaming, type Naming } from "./checkpoint-naming.ts";
import { type ArrayTensor, type CheckpointReader, isFloat, type Narrowing } from "./checkpoint-reader.ts";
import { HF_PROJECTION, isIdentityProjection, transpose } from "./hugging-face-tensors.ts";

// Reads the parameters of a model from a checkpoint and refuses one that does not fit exactly.

/** Every parameter of a model, and where each came from. */
export interface LoadedParameters {
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** The configuration, with `embeddingProjection` as the checkpoint has it. */
  readonly config: AlbertConfig;
  /** Official names of the parameters read from the checkpoint. */
  readonly loaded: readonly string[];
  /** Official names of the parameters the checkpoint lacks and may lack: only ever those of the pooler. They are zero. */
  readonly zeroed: readonly string[];
  /** Tensors of the checkpoint that this model has no use for: heads that were not asked for, optimizer slots, counters. */
  readonly unused: readonly string[];
  /** Sentences a person should see. */
  readonly warnings: readonly string[];
}

/**
 * Reads the trunk and the given heads. Nothing is guessed: each parameter must be in the checkpoint, in its right shape
 * and finite, and each tensor of the checkpoint must be known.
 *
 * One absence is tolerated: the pooler, which Hugging Face's question-answering and masked-LM models do not store. If no head
 * reads the pooled output it is filled with zeros (so that a pooled output is all zero), with a warning.
 *
 * @throws AlbertError corrupt (CHECKPOINT_MISMATCH) naming every missing, misshapen and unknown tensor
 */
export async function loadParameters(
  reader: CheckpointReader,
  config: AlbertConfig,
  heads: readonly Head[],
): Promise<LoadedParameters> {
  const naming = detectNaming(reader, familyNamed(config.family));
  const projected = await withProjectionAsStored(reader, naming, config);
  const plan = planReads(reader, naming, projected, heads);
  const parameters = new Map<string, Tensor>();
  const narrowed: Narrowing[] = [];
  for (const { spec, file } of plan.reads) {
    const { tensor, narrowing } = await readParameter(reader, naming, spec, file);
    parameters.set(spec.name, tensor);
    if (narrowing !== undefined) narrowed.push(narrowing);
  }
  if (!heads.some((head) => head.kind === "masked-lm" && head.untied && head.scope === undefined)) {
    await checkTiedDecoder(reader, naming, parameters);
  }
  for (const { name, shape } of plan.absentPooler) {
    parameters.set(name, { shape, data: new Float32Array(sizeOf(shape)) });
  }
  return {
    parameters,
    config: projected,
    loaded: plan.reads.map(({ spec }) => spec.name),
    zeroed: plan.absentPooler.map(({ name }) => name),
    unused: plan.unused,
    warnings: [
      ...(plan.absentPooler.length > 0
        ? [`${reader.name} has no pooler; every pooled output of this model is zero`]
        : []),
      ...(narrowed.length > 0 ? [narrowingText(reader.name, narrowed)] : []),
    ],
  };
}

function narrowingText(name: string, narrowed: readonly Narrowing[]): string {
  const rounded = narrowed.reduce((sum, narrowing) => sum + narrowing.rounded, 0);
  const effect = rounded === 0 ? "every value stays as it is" : `${rounded} values are rounded to the nearest one`;
  return `${name} holds ${narrowed.length} tensors as float64; they are narrowed to float32, where ${effect}`;
}

/**
 * Official code has no E -> H projection when E == H, Hugging Face's ALBERT always has one. There, one that is the identity is
 * dropped, and any other is kept.
 */
async function withProjectionAsStored(
  reader: CheckpointReader,
  naming: Naming,
  config: AlbertConfig,
): Promise<AlbertConfig> {
  const { embeddingSize, hiddenSize } = config;
  if (embeddingSize !== hiddenSize) return { ...config, embeddingProjection: true };
  if (!naming.storesIdentityProjection) return { ...config, embeddingProjection: false };
  const withProjection: AlbertConfig = { ...config, embeddingProjection: true };
  const specs = trunkParameters(withProjection).filter((spec) => spec.hfName.startsWith(HF_PROJECTION));
  const stored = specs.every((spec) => hasShape(reader, naming.fileName(spec, []), storedShape(naming, spec)));
  if (!stored) return withProjection; // what is wrong with it is reported together with everything else
  const [weight, bias] = await Promise.all(
    specs.map(async (spec) => (await readParameter(reader, naming, spec, naming.fileName(spec, []))).tensor),
  );
  return { ...config, embeddingProjection: !isIdentityProjection(weight!, bias!) };
}

interface PlannedRead {
  readonly spec: ParameterSpec;
  readonly file: string;
}

interface ReadPlan {
  readonly reads: readonly PlannedRead[];
  readonly absentPooler: readonly ParameterSpec[];
  readonly unused: readonly string[];
}

/** Compares the table of contents with what is wanted, and reports everything that is wrong at once. */
function planReads(reader: CheckpointReader, naming: Naming, config: AlbertConfig, heads: readonly Head[]): ReadPlan {
  const poolerRequired = heads.some(({ kind }) => readsPooled(kind));
  const nameOf = (spec: ParameterSpec) => naming.fileName(spec, heads);
  const problems: string[] = [];
  const reads: PlannedRead[] = [];
  const absentPooler: ParameterSpec[] = [];
  const claimed = new Set<string>();
  for (const spec of modelParameters(config, heads)) {
    const file = [nameOf(spec), ...naming.aliases(spec)].find((name) => reader.entries.has(name));
    if (file === undefined) {
      if (!poolerRequired && spec.name.startsWith("bert/pooler/")) absentPooler.push(spec);
      else problems.push(`${nameOf(spec)} ${shapeText(storedShape(naming, spec))} is missing`);
      continue;
    }
    claimed.add(file);
    const expected = storedShape(naming, spec);
    if (!hasShape(reader, file, expected)) {
      const got = shapeText(reader.entries.get(file)!.shape);
      problems.push(`${file} has shape ${got}, the configuration and heads ask for ${shapeText(expected)}`);
    }
    reads.push({ spec, file });
  }
  if (absentPooler.length === 1) problems.push(`${nameOf(absentPooler[0]!)} is missing`);
  const unused: string[] = [];
  for (const name of reader.entries.keys()) {
    if (claimed.has(name)) continue;
    if (naming.ignorable(name) || naming.belongsToHead(name) || isDroppedProjection(naming, name)) unused.push(name);
    else problems.push(`${name} is not a tensor of this architecture`);
  }
  if (problems.length > 0) {
    const shown = problems.slice(0, 20).join("; ");
    const more = problems.length > 20 ? `; and ${problems.length - 20} more` : "";
    throw corrupt(`${reader.name} does not fit its configuration: ${shown}${more}`, { reason: "CHECKPOINT_MISMATCH" });
  }
  return { reads, absentPooler, unused };
}

function hasShape(reader: CheckpointReader, file: string, expected: readonly number[]): boolean {
  const shape = reader.entries.get(file)?.shape;
  return shape !== undefined && shape.length === expected.length && shape.every((size, i) => size === expected[i]);
}

function isDroppedProjection(naming: Naming, name: string): boolean {
  return naming.storesIdentityProjection && name.includes("encoder.embedding_hidden_mapping_in.");
}

function storedShape(naming: Naming, { shape, ...spec }: ParameterSpec): readonly number[] {
  return naming.transposed({ shape, ...spec }) ? [...shape].reverse() : shape;
}

async function readParameter(
  reader: CheckpointReader,
  naming: Naming,
  spec: ParameterSpec,
  file: string,
): Promise<{ readonly tensor: Tensor; readonly narrowing?: Narrowing }> {
  const tensor = await reader.read(file);
  if (!isFloat(tensor)) {
    throw corrupt(
      `${reader.name}: ${file} holds ${reader.entries.get(file)!.dtype}, but weights are floats; ` +
        "save the model with float32 or 16-bit float weights (quantised ones are not read)",
      { reason: "CHECKPOINT_MISMATCH" },
    );
  }
  const laid = (): Tensor => (naming.transposed(spec) ? transpose(tensor) : tensor);
  if (tensor.scaled !== undefined) return { tensor: laid() }; // its reader saw that it is finite
  const { narrowed } = tensor as ArrayTensor;
  if (narrowed?.overflowAt !== undefined) {
    throw corrupt(
      `${reader.name}: ${file} holds a float64 at element ${narrowed.overflowAt} that is beyond the range of float32`,
    );
  }
  const wrong = firstNotFinite(tensor.data);
  if (wrong !== -1) {
    throw corrupt(`${reader.name}: ${file} holds ${tensor.data[wrong]} at element ${wrong}; weights must be finite`);
  }
  const { shape, data } = laid();
  return { tensor: { shape, data }, ...(narrowed === undefined ? {} : { narrowing: narrowed }) };
}

/** Index of the first infinity or NaN; -1 where there is none, which one pass without a branch tells. */
function firstNotFinite(data: Float32Array): number {
  let zero = 0;
  for (let i = 0; i < data.length; i++) zero += data[i]! * 0;
  return zero === 0 ? -1 : data.findIndex((value) => !Number.isFinite(value));
}

/** A tied masked-LM output matrix is the word embedding table; a file that stores another one is another model. */
async function checkTiedDecoder(
  reader: CheckpointReader,
  naming: Naming,
  parameters: ReadonlyMap<string, Tensor>,
): Promise<void> {
  const name = naming.decoder;
  if (name === undefined || !reader.entries.has(name)) return;
  const decoder = await reader.read(name);
  const table = parameters.get("bert/embeddings/word_embeddings")!;
  const same = decoder.data.length === table.data.length && table.data.every((value, i) => value === decoder.data[i]);
  if (!same) {
    throw corrupt(
      `${reader.name}: ${name} differs from the word embeddings, but the two are tied unless the configuration has tie_word_embeddings false`,
      {
        reason: "CHECKPOINT_MISMATCH",
      },
    );
  }
}

function shapeText(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
