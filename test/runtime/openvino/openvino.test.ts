import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Engine, SEQUENCE_OUTPUT, type SequenceInput } from "../../../src/runtime/engine.ts";
import { findOpenVino } from "../../../src/runtime/openvino/find-library.ts";
import { createEngine, openEngine } from "../../../src/runtime/packed-engine.ts";
import { DeviceTiming, type TimedChoice } from "../../../src/runtime/profile/device-timing.ts";
import { chooseDevice, probeDevices } from "../../../src/runtime/session/devices.ts";
import type { PreparedModel } from "../../../src/runtime/session/prepared-model.ts";
import { ModelReader } from "../../../src/serving/models/reader.ts";
import { expectClose } from "../../support/closeness.ts";
import { missing } from "../../support/fixtures.ts";
import { OUTPUTS } from "../../support/models/any-sequence.ts";
import { scalesOf } from "../../support/models/observed-scales.ts";
import { randomModel } from "../../support/models/random-model.ts";
import { writeTinyModel } from "../../support/models/tiny-model-directory.ts";

/** Largest difference between the two libraries: other orders of summation. */
const TOLERANCE = 1e-5;

const model = randomModel({ config: { num_hidden_layers: 2 } });
const scratch = mkdtempSync(join(tmpdir(), "albert-openvino-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const sequence = (length: number): SequenceInput => ({
  inputIds: Int32Array.from({ length }, (_, position) => (position * 7 + length) % model.config.vocabSize),
  tokenTypeIds: Int32Array.from({ length }, (_, position) => position % 2),
  outputs: OUTPUTS,
  maskedPositions: Int32Array.of(0),
});

/** Length of the difference as a share of the length of what was expected. */
function relativeError(actual: readonly number[], expected: readonly number[]): number {
  const norm = (values: readonly number[]) => Math.hypot(...values);
  return norm(actual.map((value, index) => value - expected[index]!)) / norm(expected);
}

describe.skipIf(missing("OpenVINO (pip install openvino)", findOpenVino() !== undefined))("OpenVINO", () => {
  const engines: Engine[] = [];
  const cacheDirectory = join(scratch, "cache");
  beforeAll(async () => {
    engines.push(await createEngine(model, { device: "cpu", calibrationMs: 0 }));
    engines.push(await createEngine(model, { device: "openvino", calibrationMs: 0, openVino: { cacheDirectory } }));
  }, 120_000);
  afterAll(() => Promise.all(engines.map((engine) => engine.close())));

  const expectAlike = (actual: Awaited<ReturnType<Engine["run"]>>, expected: Awaited<ReturnType<Engine["run"]>>) => {
    expect(actual.nonFinite).toBeUndefined();
    expected.outputs.forEach((output, at) => {
      for (const [name, tensors] of output) {
        for (const [key, values] of Object.entries(tensors)) {
          const found = actual.outputs[at]!.get(name)![key]!;
          expectClose(found, values, { absolute: TOLERANCE }, `${name} ${key} of sequence ${at}`);
        }
      }
    });
  };

  it.each([[[5, 1, 23]], [[40]], [[2, 2]]])(
    "computes every output of lengths %j as ONNX Runtime does",
    async (lengths) => {
      const sequences = lengths.map(sequence);
      const [cpu, openVino] = await Promise.all(engines.map((engine) => engine.run(sequences)));
      expectAlike(openVino!, cpu!);
    },
  );

  it("answers alone as in a batch, nearly", async () => {
    const together = await engines[1]!.run([5, 1, 23].map(sequence));
    const alone = await Promise.all([5, 1, 23].map((length) => engines[1]!.run([sequence(length)])));
    expectAlike({ ...together, outputs: alone.map(({ outputs }) => outputs[0]!) }, together);
  });

  it("computes heads that nobody asked for on nothing", async () => {
    const { outputs } = await engines[1]!.run([{ ...sequence(2), outputs: ["sentiment"] }]);
    expect([...outputs[0]!.keys()]).toEqual(["sentiment"]);
  });

  it("keeps what it compiled where it is told to", () => {
    expect(readdirSync(cacheDirectory).length).toBeGreaterThan(0);
  });

  it("is found by the probe of devices", async () => {
    expect(await probeDevices(["openvino"])).toEqual([
      { kind: "openvino", available: true, gflops: expect.any(Number) },
    ]);
  });

  it.each([
    ["scales that it finds as it runs", false, 0.03],
    ["scales that the model came with", true, 0.05],
  ])(
    "computes in int8, by %s, what is near to float32, and nearly the same alone as in a batch",
    async (_, given, most) => {
      const version = given ? { ...model, scales: await scalesOf(model) } : model;
      const rounded = await createEngine(version, { device: "openvino", precision: "int8", calibrationMs: 0 });
      const lengths = [5, 1, 23];
      const [exact, together] = await Promise.all(
        [engines[0]!, rounded].map((engine) => engine.run(lengths.map(sequence))),
      );
      const alone = await Promise.all(lengths.map((length) => rounded.run([sequence(length)])));
      await rounded.close();
      const hidden = ({ outputs }: Awaited<ReturnType<Engine["run"]>>) =>
        outputs.flatMap((output) => [...(output.get(SEQUENCE_OUTPUT)!["values"] as Float32Array)]);
      const error = relativeError(hidden(together!), hidden(exact!));
      expect(error).toBeLessThan(most);
      expect(error).toBeGreaterThan(1e-5); // it is not float32 in disguise
      const apart = { ...together!, outputs: alone.map(({ outputs }) => outputs[0]!) };
      expect(relativeError(hidden(apart), hidden(together!))).toBeLessThan(0.005);
    },
  );

  it("is timed against ONNX Runtime on the model itself, and the faster one serves", async () => {
    const directory = await writeTinyModel();
    const chosen: TimedChoice[] = [];
    const openEngineOf = (prepared: PreparedModel) => openEngine(prepared, { calibrationMs: 0 });
    const timing = new DeviceTiming({ openEngine: openEngineOf, onChosen: (choice) => chosen.push(choice) });
    const reader = new ModelReader(() => false, timing);
    const served = await reader.prepare(directory, { devices: ["cpu", "openvino"], precision: "fp32" });
    expect(chosen[0]!.device).toBe(served.device);
    expect(chosen[0]!.times).toEqual(["cpu", "openvino"].map((device) => ({ device, ms: expect.any(Number) })));
    expect(existsSync(served.modelPath)).toBe(true);
    await served.remove();
    reader.close();
  });
});

describe("OpenVINO where it is not", () => {
  it("is refused with what to install, and with what is wrong with the library that was named", async () => {
    const library = join(scratch, "libopenvino_c.so");
    writeFileSync(library, "no library");
    expect(existsSync(library)).toBe(true);
    const asked = chooseDevice("openvino", (kinds) => probeDevices(kinds, { library }));
    await expect(asked).rejects.toMatchObject({
      reason: "DEVICE_UNAVAILABLE",
      message: expect.stringMatching(/pip install openvino.*libopenvino_c\.so cannot be loaded/s),
    });
  });
});
