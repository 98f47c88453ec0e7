import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { arch, cpus, platform } from "node:os";
import { join } from "node:path";
import { likelyDevices, probeDevices } from "../../src/runtime/session/devices.ts";

// What this machine is and has: its graphics cards, and whether a kind of device can be used at all.

const root = join(import.meta.dirname, "../..");
const CUDA_LIBRARY = join(root, "node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so");
/** Chromium's software device, which stands in where there is no card. */
const SOFTWARE_DRIVER = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** Whether a kind of device can be used here. */
export type Presence =
  | { readonly present: true; readonly kind: "card" | "software" | "processor"; readonly gflops?: number }
  | { readonly present: false; readonly reason: string };

/** Names of the machine and the program under test. */
export function describeMachine(): Record<string, unknown> {
  return {
    commit: output("git", ["-C", root, "describe", "--always", "--dirty"]) ?? "unknown",
    node: process.version,
    platform: `${platform()} ${arch()}`,
    cpu: cpus()[0]?.model ?? "unknown",
    processors: cpus().length,
    cards: nvidiaSmi("name,driver_version,memory.total") ?? [],
  };
}

/** Memory of the cards in use, in MiB; undefined where nvidia-smi does not tell. */
export function cardMemoryMiB(): number | undefined {
  return nvidiaSmi("memory.used")?.reduce((sum, used) => sum + Number(used), 0);
}

/** Tells whether a kind of device is here, and says why not in words that can be acted upon. */
export async function presenceOf(device: "cpu" | "webgpu" | "cuda"): Promise<Presence> {
  if (device === "cpu") return { present: true, kind: "processor" };
  if (device === "cuda") {
    if (platform() !== "linux" || arch() !== "x64") {
      return { present: false, reason: `CUDA needs Linux x64, and this is ${platform()} ${arch()}` };
    }
    if (!existsSync("/dev/nvidiactl") && !existsSync("/dev/dxg")) {
      return { present: false, reason: "this machine has no NVIDIA card (there is no /dev/nvidiactl)" };
    }
    if (!existsSync(CUDA_LIBRARY)) {
      return {
        present: false,
        reason: "ONNX Runtime's CUDA libraries are missing: run node scripts/cuda-provider.mjs",
      };
    }
    return probed("cuda", "card");
  }
  if (likelyDevices().includes("webgpu")) {
    const card = await probed("webgpu", "card");
    if (card.present) return card;
  }
  if (process.env["VK_DRIVER_FILES"] === undefined && existsSync(SOFTWARE_DRIVER)) {
    process.env["VK_DRIVER_FILES"] = SOFTWARE_DRIVER;
    process.env["VK_ICD_FILENAMES"] = SOFTWARE_DRIVER;
  }
  if (process.env["VK_DRIVER_FILES"] === undefined && !likelyDevices().includes("webgpu")) {
    return {
      present: false,
      reason:
        "this machine has no graphics card (nothing under /dev/dri, no /dev/nvidiactl) and no software driver (apt-get install chromium libvulkan1)",
    };
  }
  return probed("webgpu", process.env["VK_DRIVER_FILES"]?.includes("swiftshader") ? "software" : "card");
}

async function probed(device: "webgpu" | "cuda", kind: "card" | "software"): Promise<Presence> {
  const [result] = await probeDevices([device]);
  if (result?.available) return { present: true, kind, gflops: Number(result.gflops.toPrecision(3)) };
  return { present: false, reason: `the ${device} device does not compute: ${result?.reason ?? "no answer"}` };
}

function nvidiaSmi(fields: string): string[] | undefined {
  const text = output("nvidia-smi", [`--query-gpu=${fields}`, "--format=csv,noheader,nounits"]);
  return text?.split("\n").map((line) => line.trim());
}

/** What a command prints, or undefined where it is missing or fails. */
function output(command: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
}
