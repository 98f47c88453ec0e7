import { type Command, Option } from "commander";
import type { ExecutorOptions } from "../../training/step/training-step.ts";
import { wholeNumber } from "../number-flags.ts";

// Flags that say what computes the steps of a training, in this process.

/** Flags of every command that trains. */
export interface ExecutorFlags {
  readonly executor: ExecutorOptions["kind"];
  readonly device: ExecutorOptions["device"];
  readonly precision: NonNullable<ExecutorOptions["precision"]>;
  readonly threads?: number;
}

/** Adds the flags that say what computes. */
export function addExecutorOptions(command: Command): Command {
  return command
    .addOption(new Option("--executor <kind>", "what computes").choices(["onnx", "tfjs"]).default("onnx"))
    .addOption(
      new Option("--device <device>", "where: cpu is ONNX Runtime on the processor, openvino OpenVINO on it")
        .choices(["cpu", "openvino", "webgpu", "cuda"])
        .default("cpu"),
    )
    .addOption(
      new Option(
        "--precision <p>",
        "what matrix products are computed in; bf16 with OpenVINO on a processor that has it (loss, update and state stay fp32)",
      )
        .choices(["fp32", "bf16"])
        .default("fp32"),
    )
    .addOption(new Option("--threads <n>", "threads on the processor").argParser(wholeNumber(1, 1024)));
}

/** The executor that the flags name. */
export function executorOf({ executor, device, precision, threads }: ExecutorFlags): ExecutorOptions {
  return { kind: executor, device, precision, ...(threads === undefined ? {} : { threads }) };
}
