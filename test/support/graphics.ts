import { existsSync } from "node:fs";
import { likelyDevices, probeDevices } from "../../src/runtime/session/devices.ts";
import { missing } from "./fixtures.ts";

// The devices beside the processor that tests run on.

/** Where there is no graphics card, Chromium's software device stands in for one. */
const SOFTWARE_DEVICE = "/usr/lib/chromium/vk_swiftshader_icd.json";

export type GraphicsDevice = "webgpu" | "cuda";
const KINDS: readonly GraphicsDevice[] = ["webgpu", "cuda"];

/** The devices that `ALBERT_TEST_DEVICES` names, such as "cuda,webgpu": tests must hold on them. */
export const namedDevices: readonly GraphicsDevice[] = KINDS.filter((kind) =>
  (process.env["ALBERT_TEST_DEVICES"] ?? "").split(",").includes(kind),
);

/** The named devices, else those that this machine has. Says so loudly where there is none. */
export async function graphicsDevices(): Promise<readonly GraphicsDevice[]> {
  if (namedDevices.length > 0) return namedDevices;
  if (process.env["ALBERT_TEST_DEVICES"] !== undefined) return [];
  if (process.env["VK_DRIVER_FILES"] === undefined && existsSync(SOFTWARE_DEVICE)) {
    process.env["VK_DRIVER_FILES"] = SOFTWARE_DEVICE;
    process.env["VK_ICD_FILENAMES"] = SOFTWARE_DEVICE;
  }
  const likely: readonly string[] =
    process.env["VK_DRIVER_FILES"] === undefined ? likelyDevices() : [...likelyDevices(), "webgpu"];
  const worthATry = KINDS.filter((kind) => likely.includes(kind));
  const found = worthATry.length === 0 ? [] : await probeDevices(worthATry);
  const devices = KINDS.filter((kind) => found.some((each) => each.kind === kind && each.available));
  missing("a graphics card, or Chromium's software one (apt-get install chromium libvulkan1)", devices.length > 0);
  return devices;
}
