import { describe, expect, it } from "vitest";
import { publishedConfig } from "../../../src/model/published-configs.ts";
import type { DeviceKind, Engine } from "../../../src/runtime/engine.ts";
import { DeviceTiming, type TimedChoice } from "../../../src/runtime/profile/device-timing.ts";
import type { PreparedModel } from "../../../src/runtime/session/prepared-model.ts";

const config = publishedConfig("2x128", 100)!;

function prepared(device: DeviceKind, changed: object = {}): PreparedModel {
  // What timing does not read is left out.
  return { config: { ...config, ...changed }, heads: [], device, precision: "fp32" } as unknown as PreparedModel;
}

/** A timing on devices whose batches take so long each; undefined: it cannot run them. */
function timing(ms: Partial<Record<DeviceKind, number>>) {
  const chosen: TimedChoice[] = [];
  const open: DeviceKind[] = [];
  const lengths = new Set<number>();
  const onDevice = new DeviceTiming({
    openEngine: async ({ device }) => {
      open.push(device);
      const run: Engine["run"] = async (sequences) => {
        for (const { inputIds } of sequences) lengths.add(inputIds.length);
        const runMs = ms[device];
        if (runMs === undefined) throw new Error(`${device} refuses the graph`);
        return { outputs: [], cost: { tokens: 1, paddedTokens: 1, assembleMs: 0, runMs } };
      };
      const close = async () => void open.splice(open.indexOf(device), 1);
      return { device, tokenBudget: 1, predictMs: () => 0, run, close };
    },
    onChosen: (choice) => chosen.push(choice),
  });
  return { onDevice, chosen, open, lengths };
}

const both = [prepared("cpu"), prepared("openvino")];

describe("DeviceTiming", () => {
  it.each([
    ["the one that is clearly faster", { cpu: 10, openvino: 5 }, "openvino"],
    ["the first where the other is slower", { cpu: 10, openvino: 12 }, "cpu"],
    ["the first where the other is faster by what may be noise", { cpu: 10, openvino: 9.5 }, "cpu"],
    ["the first where the other cannot run the model", { cpu: 10 }, "cpu"],
    ["the other where the first cannot run the model", { openvino: 100 }, "openvino"],
  ] as const)("chooses %s, and closes every engine", async (_, ms, expected) => {
    const { onDevice, open } = timing(ms);
    expect(await onDevice.choose(both)).toBe(expected);
    expect(open).toEqual([]);
  });

  it("tells what it measured, and why a device could not run the model", async () => {
    const { onDevice, chosen } = timing({ cpu: 10 });
    await onDevice.choose(both);
    const times = [
      { device: "cpu", ms: 30 },
      { device: "openvino", reason: "openvino refuses the graph" },
    ];
    expect(chosen).toEqual([{ device: "cpu", times }]);
  });

  it("times a shape once, also when models of it come at the same time, and another shape anew", async () => {
    const { onDevice, chosen } = timing({ cpu: 10, openvino: 5 });
    const same = [prepared("cpu", { hiddenDropoutProb: 0.1 }), prepared("openvino", { hiddenDropoutProb: 0.1 })];
    expect(await Promise.all([onDevice.choose(both), onDevice.choose(same)])).toEqual(["openvino", "openvino"]);
    expect(chosen).toHaveLength(1);
    await onDevice.choose([prepared("cpu", { numHiddenLayers: 3 }), prepared("openvino", { numHiddenLayers: 3 })]);
    expect(chosen).toHaveLength(2);
    expect([...onDevice.chosen.values()]).toEqual(["openvino", "openvino"]);
  });

  it("asks for no sequence that is longer than the model takes", async () => {
    const { onDevice, lengths } = timing({ cpu: 10, openvino: 5 });
    const short = { maxPositionEmbeddings: 40 };
    await onDevice.choose([prepared("cpu", short), prepared("openvino", short)]);
    expect(Math.max(...lengths)).toBe(40);
  });

  it("fails as the first device does when a model runs on none, and chooses nothing", async () => {
    const { onDevice } = timing({});
    await expect(onDevice.choose(both)).rejects.toThrow("cpu refuses the graph");
    expect(onDevice.chosen.size).toBe(0);
  });
});
