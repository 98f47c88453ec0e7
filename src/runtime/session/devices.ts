import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { platform } from "node:os";
import { join } from "node:path";
import { AlbertError } from "../../errors.ts";
import { endThread, spawnWorker } from "../../platform/threads/worker.ts";
import { availableThreads } from "../cpu-quota.ts";
import type { DeviceKind } from "../engine.ts";
import type { OpenVinoPlaces } from "../openvino/openvino-session.ts";
import type { ProbeResult, ProbeTask } from "./device-probe-thread.ts";

// Finds the devices of this machine and chooses one.

/** What a person may ask for. */
export type DeviceChoice = "auto" | DeviceKind;

/** Every kind of device, in the order in which they are listed. */
export const DEVICE_KINDS: readonly DeviceKind[] = ["cpu", "openvino", "webgpu", "cuda"];

/** ONNX Runtime's library for CUDA, from ONNX Runtime's entry: an image or a bundle for CUDA has it, scripts/cuda-provider.mjs puts it there. */
const CUDA_PROVIDER = "../../bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so";

function hasCudaLibrary(): boolean {
  return existsSync(join(createRequire(import.meta.url).resolve("onnxruntime-node"), CUDA_PROVIDER));
}

const HOW_TO_GET: Readonly<Record<DeviceKind, string>> = {
  cpu: "The runtime's library for this platform is part of the npm package onnxruntime-node; reinstall it.",
  openvino:
    "pip install openvino (2025 or later) brings its library, which is looked for in Python's packages, the system's folders and OPENVINO_DIR; " +
    "runtime.openvino_library names another place. The npm package koffi, which calls it, is installed with this one unless optional packages were left out.",
  webgpu:
    "WebGPU needs a graphics driver: Vulkan on Linux (the package libvulkan1 and the vendor's driver; vulkaninfo must list a device), " +
    "Metal on macOS, Direct3D 12 on Windows.",
  cuda:
    "The CUDA provider is not part of the npm package: run node scripts/cuda-provider.mjs in a checkout of albert-serve, on Linux " +
    "x64 with CUDA 13 and cuDNN 9. On the same card --device webgpu needs neither.",
};

/** What CUDA lacks where ONNX Runtime's library for it is there. */
const CUDA_LACKS =
  "ONNX Runtime's CUDA library is here, but not all that it loads: an NVIDIA card with its driver (in a container: docker run --gpus all, " +
  "with NVIDIA's container toolkit), CUDA 13 and cuDNN 9. On the same card --device webgpu needs the driver alone.";

/** What to install for a kind of device that is not available. */
export function howToGet(kind: DeviceKind, hasCuda: () => boolean = hasCudaLibrary): string {
  return kind === "cuda" && hasCuda() ? CUDA_LACKS : HOW_TO_GET[kind];
}

/** Kinds that one matrix product tells apart: the processor by one library, and cards. OpenVINO's kernels are timed on models (`DeviceTiming`). */
const AUTOMATIC = DEVICE_KINDS.filter((kind) => kind !== "openvino");

/** Files by which Linux shows graphics cards: of any vendor, NVIDIA's own, of WSL, and of two makers of phones. */
const CARD_FILES = ["/dev/dri", "/dev/nvidiactl", "/dev/dxg", "/dev/mali0", "/dev/kgsl-3d0"];

/**
 * Kinds of devices worth a try on this machine. On Linux without any sign of a card only the processor is: looking for others
 * would take a second, print the drivers' complaints, and find a software imitation at best.
 */
export function likelyDevices(
  isThere: (path: string) => boolean = existsSync,
  system: NodeJS.Platform = platform(),
): readonly DeviceKind[] {
  return system !== "linux" || CARD_FILES.some(isThere) ? AUTOMATIC : ["cpu"];
}

/** A longer wait than any driver should need to say that it has no device. */
const PROBE_TIMEOUT_MS = 30_000;

/**
 * Tries kinds of devices one after the other with one small matrix product, in a thread of their own. A kind whose driver
 * ends or blocks the thread is unavailable, and so are those that would have come after it.
 */
export function probeDevices(
  kinds: readonly DeviceKind[] = DEVICE_KINDS,
  openVino: OpenVinoPlaces = {},
): Promise<ProbeResult[]> {
  const task: ProbeTask = { kinds, threads: availableThreads(), openVino };
  const worker = spawnWorker(new URL("./device-probe-thread", import.meta.url), import.meta.url, { workerData: task });
  return new Promise((resolve) => {
    const results: ProbeResult[] = [];
    const finish = (reason: string) => {
      clearTimeout(timer);
      resolve(kinds.map((kind, index) => results[index] ?? { kind, available: false, reason }));
    };
    const timer = setTimeout(() => {
      finish(`no answer from the driver within ${PROBE_TIMEOUT_MS / 1000} s`);
      void endThread(worker);
    }, PROBE_TIMEOUT_MS);
    worker.on("message", (result: ProbeResult) => {
      if (results.push(result) === kinds.length) finish("");
    });
    worker.once("error", (error) => finish(String(error)));
    worker.once("exit", () => finish("the probing thread ended without an answer"));
  });
}

/**
 * The device to run on. A named device must be there; `auto` takes the one that multiplies fastest, so that a software
 * imitation of a graphics card is never preferred to the processor that imitates it.
 *
 * @throws AlbertError precondition (DEVICE_UNAVAILABLE), with what to install
 */
export async function chooseDevice(
  choice: DeviceChoice,
  probe: (kinds: readonly DeviceKind[]) => Promise<readonly ProbeResult[]> = probeDevices,
  likely: readonly DeviceKind[] = likelyDevices(),
  hasCuda: () => boolean = hasCudaLibrary,
): Promise<DeviceKind> {
  if (choice === "cpu") return choice;
  if (choice !== "auto") {
    const [result] = await probe([choice]);
    if (result?.available) return choice;
    const said = result === undefined ? "" : ` The runtime said: ${result.reason}`;
    const advice = howToGet(choice, hasCuda);
    throw new AlbertError("precondition", `--device ${choice} is not available. ${advice}${said}`, {
      reason: "DEVICE_UNAVAILABLE",
      metadata: { device: choice },
    });
  }
  if (likely.length === 1) return likely[0]!;
  const found = (await probe(likely)).filter((result) => result.available);
  const best = found.reduce<(typeof found)[number] | undefined>(
    (best, result) => (best === undefined || result.gflops > best.gflops ? result : best),
    undefined,
  );
  return best?.kind ?? "cpu";
}

/**
 * The devices that models may be served on, the preferred one first. That is one, except where `auto` finds the processor best
 * and OpenVINO beside ONNX Runtime: which of the two is faster depends on the model, and is found by running it.
 *
 * @param hasOpenVino  whether its library is on this machine
 * @throws AlbertError as `chooseDevice`
 */
export async function servingDevices(
  choice: DeviceChoice,
  probe: (kinds: readonly DeviceKind[]) => Promise<readonly ProbeResult[]>,
  hasOpenVino: () => boolean,
  likely: readonly DeviceKind[] = likelyDevices(),
): Promise<readonly DeviceKind[]> {
  const best = await chooseDevice(choice, probe, likely);
  if (choice !== "auto" || best !== "cpu" || !hasOpenVino()) return [best];
  const [openVino] = await probe(["openvino"]);
  return openVino?.available ? ["cpu", "openvino"] : ["cpu"];
}
