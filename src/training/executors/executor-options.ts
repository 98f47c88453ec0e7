import { invalidInput } from "../../errors.ts";
import { chooseDevice, probeDevices } from "../../runtime/session/devices.ts";
import type { ExecutorOptions } from "../step/training-step.ts";

// What is asked of an executor: whether it is there, and how it is named in plans, logs and checkpoints.

/**
 * Fails, before any data is read, where the steps of a run could not be computed as asked.
 *
 * @throws AlbertError invalid-input naming the precision; precondition (DEVICE_UNAVAILABLE) with what to install
 */
export async function requireExecutor(options: ExecutorOptions): Promise<void> {
  checkPrecision(options);
  const { kind, device, openVino } = options;
  if (kind === "onnx") await chooseDevice(device, (kinds) => probeDevices(kinds, openVino));
}

/** @throws AlbertError invalid-input where the executor has no such precision */
export function checkPrecision({ kind, device, precision = "fp32" }: ExecutorOptions): void {
  if (precision === "fp32" || (kind === "onnx" && device === "openvino")) return;
  const found = kind === "onnx" ? `the device is ${device}` : `the executor is ${kind}`;
  const description = `training computes in ${precision} on the device openvino only, and ${found}`;
  throw invalidInput([{ field: "precision", description }]);
}

/** Such as `openvino, bf16, 2 threads`. */
export function executorText({ kind, device, precision = "fp32", threads }: ExecutorOptions): string {
  if (kind === "tfjs") return "TensorFlow.js, fp32";
  return [device, precision, ...(threads === undefined ? [] : [`${threads} thread${threads === 1 ? "" : "s"}`])].join(
    ", ",
  );
}

/** What of an executor decides the last bits of a run; checkpoints keep it. */
export function executorFingerprint({ kind, device, precision = "fp32", threads }: ExecutorOptions) {
  return {
    executor: kind,
    // Checkpoints of earlier releases, which had one precision, do not name it.
    device: precision === "fp32" ? device : `${device} in ${precision}`,
    threads: String(threads ?? "default"),
    node: process.version,
  };
}

/** What computes the steps, as settings of a plan. */
export function executorSettings({
  kind,
  device,
  precision = "fp32",
}: ExecutorOptions): { name: string; value: string; origin: string }[] {
  if (kind === "tfjs") return [{ name: "executor", value: kind, origin: "given: TensorFlow.js computes the steps" }];
  const library = device === "openvino" ? "OpenVINO" : "ONNX Runtime";
  return [
    { name: "device", value: device, origin: `${library} computes the steps` },
    {
      name: "precision",
      value: precision,
      origin:
        precision === "fp32" ? "of all" : "of matrix products; loss, normalisations, sums, update and state in fp32",
    },
  ];
}
