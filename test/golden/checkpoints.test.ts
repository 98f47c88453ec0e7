import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { CheckpointReader } from "../../src/model/checkpoint/checkpoint-reader.ts";
import { exportHuggingFace, exportTensorFlow } from "../../src/model/checkpoint/export-checkpoint.ts";
import { type Checkpoint, openCheckpoint } from "../../src/model/checkpoint/open-checkpoint.ts";
import { readSafetensors } from "../../src/model/formats/safetensors.ts";
import { serializeSafetensors } from "../../src/model/formats/safetensors-writer.ts";
import { openTensorBundle } from "../../src/model/formats/tensor-bundle.ts";
import { writeTensorBundle } from "../../src/model/formats/tensor-bundle-writer.ts";
import { fixture, fixturesDir, missing } from "../support/fixtures.ts";

interface Variable {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly sum?: number;
  readonly sum_abs?: number;
  readonly first?: readonly number[];
}

/** Every file below `root` whose name ends like this. */
function below(root: string | undefined, ending: string): string[] {
  if (root === undefined) return [];
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(ending))
    .map((path) => join(root, path))
    .sort();
}

const models = fixture("models");
const bundles = [...below(models, ".index"), ...below(fixture("heads"), ".index")].map((path) =>
  path.slice(0, -".index".length),
);
const configs = below(models, "albert_config.json");
const scratch = mkdtempSync(join(tmpdir(), "albert-checkpoints-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** The configuration beside a checkpoint, in the directory above it, or of the one model whose shapes it has. */
async function openBundle(prefix: string): Promise<Checkpoint> {
  const near = [dirname(prefix), dirname(dirname(prefix))].map((place) => join(place, "albert_config.json"));
  const candidates = near.filter(existsSync).slice(0, 1);
  const failures: unknown[] = [];
  for (const config of candidates.length > 0 ? candidates : configs) {
    try {
      return await openCheckpoint(prefix, { config });
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, `no configuration fits ${prefix}`);
}

async function readAll(reader: CheckpointReader) {
  const tensors = new Map();
  for (const name of reader.entries.keys()) tensors.set(name, await reader.read(name));
  return tensors;
}

function expectSameWeights(a: Checkpoint, b: Checkpoint): void {
  expect([...a.parameters.keys()].sort()).toEqual([...b.parameters.keys()].sort());
  for (const [name, tensor] of a.parameters) {
    const other = b.parameters.get(name)!;
    expect({ name, shape: tensor.shape }).toEqual({ name, shape: other.shape });
    expect(bytesOf(tensor.data).equals(bytesOf(other.data)), name).toBe(true);
  }
}

const bytesOf = (data: Float32Array) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

describe.skipIf(missing("TensorFlow checkpoints", bundles.length > 0))("official TensorFlow checkpoints", () => {
  it.each(bundles.map((prefix) => [prefix.slice(fixturesDir.length + 1), prefix]))(
    "%s holds the listed variables, sums and values",
    async (_, prefix) => {
      const lists = ["variables.json", "all_variables.json"].map((name) => join(dirname(prefix), name));
      const list = lists.find(existsSync);
      const reader = await openTensorBundle(prefix);
      if (list === undefined) return expect(reader.entries.size).toBeGreaterThan(0);
      const variables: Variable[] = JSON.parse(readFileSync(list, "utf8"));
      expect([...reader.entries.keys()].sort()).toEqual(variables.map(({ name }) => name).sort());
      for (const { name, shape, dtype, sum, sum_abs, first } of variables) {
        expect({ name, ...reader.entries.get(name) }).toMatchObject({ name, shape, dtype });
        if (sum === undefined || sum_abs === undefined || first === undefined) continue;
        const { data } = await reader.read(name);
        let total = 0;
        let magnitude = 0;
        for (const value of data) {
          total += Number(value);
          magnitude += Math.abs(Number(value));
        }
        expect([...data].slice(0, first.length).map(Number), name).toEqual([...first]);
        expect(Math.abs(total - sum), `${name} sum`).toBeLessThanOrEqual(1e-9 * Math.max(1, sum_abs));
        expect(Math.abs(magnitude - sum_abs), `${name} sum_abs`).toBeLessThanOrEqual(1e-9 * Math.max(1, sum_abs));
      }
    },
  );

  it.each(bundles.map((prefix) => [prefix.slice(fixturesDir.length + 1), prefix]))(
    "%s is written back byte for byte, index and data",
    async (name, prefix) => {
      const copy = join(mkdtempSync(join(scratch, "bundle-")), basename(name));
      await writeTensorBundle(copy, await readAll(await openTensorBundle(prefix)));
      for (const ending of [".index", ".data-00000-of-00001"]) {
        expect(readFileSync(copy + ending).equals(readFileSync(prefix + ending)), ending).toBe(true);
      }
    },
  );

  it.each(bundles.map((prefix) => [prefix.slice(fixturesDir.length + 1), prefix]))(
    "%s opens with every parameter found, leaving only optimizer slots and the step counter",
    async (_, prefix) => {
      const checkpoint = await openBundle(prefix);
      expect(checkpoint.heads.length).toBeGreaterThan(0);
      expect(checkpoint.zeroed).toEqual([]);
      expect(checkpoint.unused.filter((name) => !/\/(adam|lamb)_[mv]$|^global_step$/.test(name))).toEqual([]);
      const { entries } = await openTensorBundle(prefix);
      expect(checkpoint.loaded.length + checkpoint.unused.length).toBe(entries.size);
    },
  );
});

const weights = below(models, "model.safetensors").filter((path) => dirname(dirname(path)) === models);
describe.skipIf(missing("models in both formats", weights.length > 0))("the two formats of one model", () => {
  const directories = weights.map((path) => [basename(dirname(path)), dirname(path)] as const);
  const bundleOf = (directory: string) => bundles.find((prefix) => dirname(prefix) === directory);

  it.each(directories)("%s: TensorFlow and Hugging Face files give the same parameters", async (_, directory) => {
    const bundle = bundleOf(directory);
    if (missing(`a TensorFlow checkpoint of ${directory}`, bundle) || bundle === undefined) return;
    const official = await openBundle(bundle);
    const huggingFace = await openCheckpoint(directory);
    expect(huggingFace.location.kind).toBe("safetensors");
    expect(huggingFace.heads).toEqual(official.heads);
    expectSameWeights(huggingFace, official);
  });

  it.each(directories)("%s: its safetensors file is written back byte for byte", async (_, directory) => {
    const path = join(directory, "model.safetensors");
    const { tensors, metadata } = await readSafetensors(path);
    expect(Buffer.from(serializeSafetensors(tensors, metadata)).equals(readFileSync(path))).toBe(true);
  });

  it.each(directories)("%s: TensorFlow -> Hugging Face -> TensorFlow changes no weight", async (name, directory) => {
    const bundle = bundleOf(directory);
    if (missing(`a TensorFlow checkpoint of ${directory}`, bundle) || bundle === undefined) return;
    const official = await openBundle(bundle);
    const asHuggingFace = join(scratch, `${name}-hf`);
    await exportHuggingFace(asHuggingFace, official);
    expect(
      readFileSync(join(asHuggingFace, "model.safetensors")).equals(readFileSync(join(directory, "model.safetensors"))),
    ).toBe(true);
    const returned = await openCheckpoint(asHuggingFace);
    expectSameWeights(returned, official);
    const asTensorFlow = join(scratch, `${name}-tf`);
    await exportTensorFlow(asTensorFlow, returned);
    expectSameWeights(await openCheckpoint(asTensorFlow), official);
    const before = await readAll(await openTensorBundle(bundle));
    const after = await readAll(await openTensorBundle(join(asTensorFlow, "model.ckpt-best")));
    expect([...after.keys()]).toEqual([...before.keys()]);
  });
});

const withSlots = bundles.filter(
  (prefix) => dirname(dirname(prefix)) !== models && dirname(dirname(dirname(prefix))) === models,
);
describe.skipIf(missing("a checkpoint with optimizer slots", withSlots.length > 0))("a checkpoint with slots", () => {
  it.each(withSlots.map((prefix) => [prefix.slice(fixturesDir.length + 1), prefix]))(
    "%s has the weights of the one without",
    async (_, prefix) => {
      const plain = bundles.find((other) => dirname(other) === dirname(dirname(prefix)))!;
      expectSameWeights(await openBundle(prefix), await openBundle(plain));
    },
  );
});
