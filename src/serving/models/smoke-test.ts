import { AlbertError } from "../../errors.ts";
import type { Model } from "../../model/directory/model-directory.ts";
import type { Head } from "../../model/heads.ts";
import { type Engine, POOLED_OUTPUT, type SequenceInput, type SequenceOutput } from "../../runtime/engine.ts";

// Checks that a new engine computes at all, and consistently: a smoke test, not an evaluation. It knows no version and no traffic.

/** Lengths of the sequences a new version is tried with, besides its longest. */
const SHORT = 8;
const MEDIUM = 32;

/** How far an item alone may be from the same item in a batch on a device whose kernels round by shape. */
const ACCELERATOR_TOLERANCE = 2e-3;

/** A sequence every healthy version can compute; the scheduler tells a bad input from a broken engine with it. */
export function probeSequence(model: Pick<Model, "config" | "heads" | "tokenizer">, length = SHORT): SequenceInput {
  const { cls, sep } = model.tokenizer.special;
  const T = Math.max(3, Math.min(length, model.config.maxPositionEmbeddings));
  const inputIds = new Int32Array(T);
  for (let t = 0; t < T; t++) inputIds[t] = ordinaryId(t, model);
  inputIds[0] = cls;
  inputIds[T - 1] = sep;
  const answerMask = new Uint8Array(T);
  answerMask[0] = 1;
  answerMask[T - 1] = 1;
  const kinds = new Set(model.heads.map((head) => head.kind));
  return {
    inputIds,
    tokenTypeIds: new Int32Array(T),
    outputs: [POOLED_OUTPUT, ...model.heads.map((head: Head) => head.name)],
    ...(kinds.has("masked-lm") ? { maskedPositions: Int32Array.of(1) } : {}),
    ...(kinds.has("span-answerability") ? { answerMask, startTopN: 5, endTopN: 5 } : {}),
  };
}

/**
 * Warms a new engine up and checks that it computes: every head answers with finite numbers at its shortest and longest
 * length, and an item alone gives what it gives in a batch (to the bit on a CPU).
 *
 * @returns what it answered to the short probes, for `compareWithDryRun`
 * @throws AlbertError backend SELF_CHECK_FAILED; whatever the engine throws
 */
export async function smokeTest(model: CheckedModel, engine: Engine): Promise<readonly SequenceOutput[]> {
  const probes = shortProbes(model);
  const alone: SequenceOutput[] = [];
  for (const probe of probes) alone.push(await only(engine, probe));
  requireFinite(alone);
  requireFinite([await only(engine, probeSequence(model, longestOf(model)))]);
  const { outputs } = await engine.run(probes);
  const tolerance = engine.device === "cpu" ? 0 : ACCELERATOR_TOLERANCE;
  outputs.forEach((output, i) => {
    requireEqual(output, alone[i]!, tolerance, "depends on the neighbours in a batch");
  });
  return alone;
}

/**
 * Warms up an engine whose model has passed `smokeTest` on another one, and checks that it answers the same.
 *
 * @param dryRun  what the other engine answered to the short probes
 * @throws AlbertError backend SELF_CHECK_FAILED; whatever the engine throws
 */
export async function compareWithDryRun(
  model: CheckedModel,
  engine: Engine,
  dryRun: readonly SequenceOutput[],
): Promise<void> {
  const tolerance = engine.device === "cpu" ? 0 : ACCELERATOR_TOLERANCE;
  for (const [i, probe] of shortProbes(model).entries()) {
    requireEqual(await only(engine, probe), dryRun[i]!, tolerance, "is not what the same model answered before");
  }
}

type CheckedModel = Pick<Model, "config" | "heads" | "tokenizer" | "manifest">;

function shortProbes(model: CheckedModel): SequenceInput[] {
  return [SHORT, Math.min(MEDIUM, longestOf(model))].map((length) => probeSequence(model, length));
}

function longestOf({ manifest, config }: CheckedModel): number {
  return Math.min(manifest.maxSequenceLength, config.maxPositionEmbeddings);
}

async function only(engine: Engine, input: SequenceInput): Promise<SequenceOutput> {
  const { outputs } = await engine.run([input]);
  const [output] = outputs;
  const missing = input.outputs.filter((name) => output?.get(name) === undefined);
  if (output === undefined || missing.length > 0) throw failed(`no output for ${missing.join(", ")}`);
  return output;
}

function requireFinite(outputs: readonly SequenceOutput[]): void {
  for (const output of outputs) {
    for (const [name, tensors] of output) {
      for (const [tensor, values] of Object.entries(tensors)) {
        if (!values.every(Number.isFinite)) throw failed(`${tensor} of ${name} is not finite`);
      }
    }
  }
}

function requireEqual(answer: SequenceOutput, other: SequenceOutput, tolerance: number, problem: string): void {
  for (const [name, tensors] of other) {
    for (const [tensor, expected] of Object.entries(tensors)) {
      const got = answer.get(name)?.[tensor];
      const equal =
        got?.length === expected.length &&
        expected.every((value, i) => Math.abs(value - got[i]!) <= tolerance * Math.max(1, Math.abs(value)));
      if (!equal) throw failed(`${tensor} of ${name} ${problem}`);
    }
  }
}

/** Ids spread over the vocabulary, away from its special pieces. */
function ordinaryId(position: number, { config, tokenizer }: Pick<Model, "config" | "tokenizer">): number {
  const special = new Set<number>(Object.values(tokenizer.special));
  let id = (position * 7919 + 13) % config.vocabSize;
  for (let tries = 0; special.has(id) && tries <= special.size; tries++) id = (id + 1) % config.vocabSize;
  return id;
}

function failed(problem: string): AlbertError {
  return new AlbertError("backend", `the new version failed its self-check: ${problem}`, {
    reason: "SELF_CHECK_FAILED",
  });
}
