import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadParameters } from "../../src/model/checkpoint/load-parameters.ts";
import { type AlbertConfig, parseAlbertConfig } from "../../src/model/config.ts";
import { readSafetensors } from "../../src/model/formats/safetensors.ts";
import { openTensorBundle } from "../../src/model/formats/tensor-bundle.ts";
import type { Head } from "../../src/model/heads.ts";
import { headParameters } from "../../src/model/parameters.ts";
import type { Tensor } from "../../src/model/tensor.ts";
import { readJsonObject } from "../../src/platform/json-file.ts";
import type { Engine, OutputTensors, SequenceInput } from "../../src/runtime/engine.ts";
import { createEngine } from "../../src/runtime/packed-engine.ts";
import { expectClose } from "../support/closeness.ts";
import { fixture, missing } from "../support/fixtures.ts";
import { namedDevices } from "../support/graphics.ts";
import { ExpectedTensors } from "./expected-tensors.ts";

const TOLERANCES = { cpu: 2e-5, webgpu: 1e-4, cuda: 1e-4 } as const;
/** Bodies of the cases that do not name or hold their own, as the fixtures' README says. */
const USUAL_BODY = "tiny-en";

const root = fixture("heads");
const cases = (root === undefined ? [] : readdirSync(root)).filter((name) =>
  existsSync(join(root!, name, "head.safetensors")),
);

const runs = (["cpu", ...namedDevices] as const).flatMap((device) => cases.map((name) => [name, device] as const));

describe.skipIf(missing("golden heads", cases.length > 0)).each(runs)("the head of %s on %s", (name, device) => {
  const tolerance = TOLERANCES[device];
  const directory = join(root!, name);
  let engine: Engine;
  let expected: ExpectedTensors;
  let head: Head;

  beforeAll(async () => {
    expected = await ExpectedTensors.read(join(directory, "expected.safetensors"));
    const variables = await headVariables(directory);
    head = headOf(variables, expected);
    const { config, trunk } = await body(directory);
    for (const { name, shape } of headParameters(config, head)) expect(variables.get(name)?.shape).toEqual(shape);
    const parameters = new Map([...trunk, ...variables]);
    engine = await createEngine({ config, heads: [head], parameters }, { device, threads: 1, calibrationMs: 0 });
  });
  afterAll(() => engine.close());

  const run = async (extra: (row: number, input: SequenceInput) => Partial<SequenceInput> = () => ({})) => {
    const sequences = expected.sequences(["head"]);
    const { outputs } = await engine.run(sequences.map(({ row, input }) => ({ ...input, ...extra(row, input) })));
    return sequences.map(({ row, input }, index) => ({ row, input, tensors: outputs[index]!.get("head")! }));
  };
  const close = (actual: ArrayLike<number>, wanted: ArrayLike<number>, what: string) =>
    expectClose(actual, wanted, { absolute: tolerance }, what);

  it("gives Google's outputs", async () => {
    if (head.kind === "span-answerability") return compareBeams(expected, run, tolerance);
    const results = await run();
    for (const { row, input, tensors } of results) {
      if (head.kind === "span") {
        for (const [ours, theirs] of [
          ["startLogits", "start_logits"],
          ["endLogits", "end_logits"],
        ] as const) {
          const wanted = expected.floatRow(theirs, row).subarray(0, input.inputIds.length);
          close(tensors[ours]!, wanted, `${theirs} of row ${row}`);
        }
      } else {
        close(tensors["logits"]!, expected.floatRow("logits", row, results.length), `logits of row ${row}`);
      }
    }
  });
});

async function compareBeams(
  expected: ExpectedTensors,
  run: (
    extra: (row: number) => Partial<SequenceInput>,
  ) => Promise<{ row: number; input: SequenceInput; tensors: OutputTensors }[]>,
  absolute: number,
): Promise<void> {
  const beams = new Set(expected.names.flatMap((name) => /^predict_(\d+)x(\d+)\//.exec(name)?.[0] ?? []));
  expect(beams.size).toBeGreaterThan(0);
  for (const prefix of beams) {
    const [startTopN, endTopN] = prefix.match(/\d+/g)!.map(Number);
    const masks = (row: number) => Uint8Array.from(expected.intRow("p_mask", row));
    const lengths = expected.sequences(["head"]).map(({ input }) => input.inputIds.length);
    const results = await run((row) => ({
      answerMask: masks(row).subarray(0, lengths[row]!),
      startTopN: startTopN!,
      endTopN: endTopN!,
    }));
    for (const { row, input, tensors } of results) {
      const pairs = [
        ["startLogProbs", "start_top_log_probs"],
        ["endLogProbs", "end_top_log_probs"],
        ["answerabilityLogit", "cls_logits"],
      ] as const;
      for (const [ours, theirs] of pairs) {
        const wanted = expected.floatRow(`${prefix}${theirs}`, row);
        expectClose(tensors[ours]!, wanted, { absolute }, `${prefix}${theirs} of row ${row}`);
      }
      const starts = expected.intRow(`${prefix}start_top_index`, row);
      expect([...tensors["startIndexes"]!], `${prefix} starts of row ${row}`).toEqual([...starts]);
      // Ends that follow a start in the padding were computed from a padding row, which a packed batch does not have.
      const real = starts.filter((start) => start < input.inputIds.length).length * endTopN!;
      const ends = expected.intRow(`${prefix}end_top_index`, row).subarray(0, real);
      expect([...tensors["endIndexes"]!.subarray(0, real)], `${prefix} ends of row ${row}`).toEqual([...ends]);
    }
  }
}

async function headVariables(directory: string): Promise<Map<string, Tensor>> {
  const { tensors } = await readSafetensors(join(directory, "head.safetensors"));
  return new Map(
    [...tensors].map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data as Float32Array) }]),
  );
}

/** The kind of head that has these variables; a golden with several sequences per example is multiple choice. */
function headOf(variables: ReadonlyMap<string, Tensor>, expected: ExpectedTensors): Head {
  if (variables.has("cls/squad/output_weights")) return { kind: "span", name: "head" };
  if (variables.has("start_logits/dense/kernel")) return { kind: "span-answerability", name: "head" };
  if (expected.shape("input_ids").length === 3) return { kind: "multiple-choice", name: "head" };
  const labels = Array.from({ length: variables.get("output_weights")!.shape[0]! }, (_, label) => `${label}`);
  const problemType = labels.length === 1 ? "regression" : "single-label";
  return { kind: "classification", name: "head", problemType, labels };
}

/** The trunk that a case stands on: its own checkpoint, else the model that it names, else the usual one. */
async function body(directory: string): Promise<{ config: AlbertConfig; trunk: ReadonlyMap<string, Tensor> }> {
  const { body: named } = await readJsonObject(join(directory, "expected.json"));
  const model = fixture("models", typeof named === "string" ? named : USUAL_BODY)!;
  const own = indexOf(directory);
  const configured = [directory, model].map((place) => join(place, "albert_config.json")).find(existsSync)!;
  const { config } = parseAlbertConfig(await readJsonObject(configured));
  const reader = await openTensorBundle(own ?? indexOf(model)!);
  return { config, trunk: (await loadParameters(reader, config, [])).parameters };
}

function indexOf(directory: string): string | undefined {
  const index = readdirSync(directory).find((name) => name.endsWith(".index"));
  return index === undefined ? undefined : join(directory, basename(index, ".index"));
}
