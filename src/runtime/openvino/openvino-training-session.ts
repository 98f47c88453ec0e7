import type { OnnxData, OnnxType } from "../../graph/onnx/tensors.ts";
import { sizeOf } from "../../model/tensor.ts";
import type { HostTensor } from "../session/ort.ts";
import { hostTensor, type SessionTensor } from "../session/training-session.ts";
import { type OpenVinoPlaces, OpenVinoSession } from "./openvino-session.ts";

// A session for training on OpenVINO. Its tensors are those of ONNX Runtime's sessions, and stay where they are.

export interface OpenVinoTrainingOptions extends Pick<OpenVinoPlaces, "library"> {
  /** Absent: as many as the library finds fit. */
  readonly threads?: number;
  /** `bf16-products` where the graph has values in bfloat16, on a processor that has it. */
  readonly precision: "fp32" | "bf16-products";
  readonly inputs: readonly string[];
  /** All that the graph gives, float32. */
  readonly outputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

/** A graph compiled for training. `run` occupies the calling thread until it is done, as a `TrainingSession`'s does. */
export class OpenVinoTrainingSession {
  readonly #session: OpenVinoSession;
  readonly #outputs: OpenVinoTrainingOptions["outputs"];

  private constructor(session: OpenVinoSession, outputs: OpenVinoTrainingOptions["outputs"]) {
    this.#session = session;
    this.#outputs = outputs;
  }

  /** @throws AlbertError as `OpenVinoSession.create` */
  static async open(model: Uint8Array, options: OpenVinoTrainingOptions): Promise<OpenVinoTrainingSession> {
    const outputs = options.outputs.map(({ name }) => ({ name, dtype: "float32" as const }));
    const session = await OpenVinoSession.create(model, { ...options, device: "openvino", outputs });
    return new OpenVinoTrainingSession(session, options.outputs);
  }

  /** As `TrainingSession.run`: what `outputs` has no memory for is written to new memory. */
  async run(
    feeds: Readonly<Record<string, SessionTensor>>,
    outputs: Readonly<Record<string, SessionTensor | null>>,
  ): Promise<Readonly<Record<string, SessionTensor>>> {
    const results = Object.fromEntries(
      this.#outputs.map(({ name, shape }) => [
        name,
        outputs[name] ?? hostTensor(new Float32Array(sizeOf(shape)), shape),
      ]),
    );
    await this.#session.run(toHost(feeds), toHost(results));
    return results;
  }

  /** Frees the compiled graph. */
  close(): Promise<void> {
    return this.#session.dispose();
  }
}

function toHost(tensors: Readonly<Record<string, SessionTensor>>): Record<string, HostTensor> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { type, dims, data }]) => [
      name,
      { dtype: type as OnnxType, dims, data: data as OnnxData }, // tensors of training graphs are float32 and int32
    ]),
  );
}
