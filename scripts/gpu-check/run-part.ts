import { parseArgs } from "node:util";
import { TINY } from "../../bench/base-classifier.ts";
import { secondsPerStep } from "../../bench/training.ts";
import { checkServing } from "./serving.ts";

// One part of the check in a process of its own, so that a driver that ends its process ends one part. Prints its result as JSON.

const { values } = parseArgs({
  options: {
    part: { type: "string" },
    device: { type: "string" },
    precision: { type: "string" },
    shape: { type: "string" },
  },
});
// The parent, which is ours, names devices and precisions that exist.
const device = values.device as "cpu" | "webgpu" | "cuda";
const precision = values.precision as "fp32" | "fp16";
const shape = values.shape as "tiny" | "base";

try {
  const result = values.part === "training" ? await training() : await checkServing(device, precision, shape);
  console.log(JSON.stringify(result));
  process.exit(0); // a driver's threads need not keep the process
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

/** Seconds of training steps by the shape of their batches. */
async function training() {
  const [config, batches] = shape === "tiny" ? [TINY, [8]] : [undefined, [8, 32]];
  const steps: Record<string, unknown> = {};
  for (const examples of batches) {
    steps[`${examples}x128`] = await secondsPerStep(device, { examples, length: 128 }, config);
  }
  return { shape, steps };
}
