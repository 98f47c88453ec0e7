import { describe, expect, it } from "vitest";
import type { ProbeResult } from "../../../src/runtime/session/device-probe-thread.ts";
import {
  chooseDevice,
  DEVICE_KINDS,
  likelyDevices,
  probeDevices,
  servingDevices,
} from "../../../src/runtime/session/devices.ts";

const found = (kind: ProbeResult["kind"], gflops: number): ProbeResult => ({ kind, available: true, gflops });
const lacking = (kind: ProbeResult["kind"]): ProbeResult => ({ kind, available: false, reason: "no driver" });
const machine = (results: readonly ProbeResult[]) => async (kinds: readonly string[]) =>
  results.filter(({ kind }) => kinds.includes(kind));

describe("choosing a device", () => {
  it.each<[string, readonly ProbeResult[], string]>([
    ["the only one", [found("cpu", 90), lacking("webgpu"), lacking("cuda")], "cpu"],
    ["a real graphics card", [found("cpu", 90), found("webgpu", 9000), lacking("cuda")], "webgpu"],
    ["the processor before its imitation of a card", [found("cpu", 90), found("webgpu", 0.3), lacking("cuda")], "cpu"],
    ["the faster of two providers", [found("cpu", 90), found("webgpu", 9000), found("cuda", 20_000)], "cuda"],
  ])("auto takes %s", async (_, results, expected) => {
    expect(await chooseDevice("auto", machine(results), DEVICE_KINDS)).toBe(expected);
  });

  it("auto takes the processor without asking any driver where nothing shows a card", async () => {
    const never = () => Promise.reject(new Error("a driver was asked"));
    expect(
      await chooseDevice(
        "auto",
        never,
        likelyDevices(() => false, "linux"),
      ),
    ).toBe("cpu");
    const unnamed = DEVICE_KINDS.filter((kind) => kind !== "openvino");
    expect(likelyDevices((path) => path === "/dev/dri", "linux")).toEqual(unnamed);
    expect(likelyDevices(() => false, "darwin")).toEqual(unnamed);
  });

  it.each([
    ["webgpu", /needs a graphics driver/],
    ["cuda", /node scripts\/cuda-provider\.mjs/],
  ] as const)("says how to get %s when it is asked for and missing", async (kind, advice) => {
    await expect(chooseDevice(kind, machine([lacking(kind)]), DEVICE_KINDS, () => false)).rejects.toMatchObject({
      code: "precondition",
      reason: "DEVICE_UNAVAILABLE",
      message: expect.stringMatching(advice),
    });
    expect(await chooseDevice(kind, machine([found(kind, 1)]))).toBe(kind);
  });

  it("says what else CUDA needs where ONNX Runtime's library for it is there", async () => {
    const there = chooseDevice("cuda", machine([lacking("cuda")]), DEVICE_KINDS, () => true);
    await expect(there).rejects.toThrow(/library is here.*NVIDIA card.*--gpus all.*The runtime said: no driver/);
    const missing = chooseDevice("cuda", machine([lacking("cuda")]), DEVICE_KINDS, () => false);
    await expect(missing).rejects.toThrow(/node scripts\/cuda-provider\.mjs/);
  });

  it.each([
    ["is here", [found("openvino", 90)], true, ["cpu", "openvino"]],
    ["does not load", [lacking("openvino")], true, ["cpu"]],
    ["is nowhere", [found("openvino", 90)], false, ["cpu"]],
  ] as const)(
    "auto leaves the choice between two engines of a processor to timing where OpenVINO %s",
    async (_, results, hasLibrary, expected) => {
      const devices = await servingDevices("auto", machine(results), () => hasLibrary, ["cpu"]);
      expect(devices).toEqual(expected);
    },
  );

  it("a card or a device that was named serves alone, whatever else is here", async () => {
    const results = [found("cpu", 90), found("webgpu", 9000), found("openvino", 90)];
    expect(await servingDevices("auto", machine(results), () => true, DEVICE_KINDS)).toEqual(["webgpu"]);
    expect(await servingDevices("cpu", machine(results), () => true)).toEqual(["cpu"]);
  });

  it("finds the processor of this machine", async () => {
    expect(await probeDevices(["cpu"])).toEqual([{ kind: "cpu", available: true, gflops: expect.any(Number) }]);
  });
});
