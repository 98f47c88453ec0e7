import { parentPort, workerData } from "node:worker_threads";
import { AlbertError } from "../errors.ts";
import type { Model } from "../model/model-directory.ts";
import { type OpenOptions, openModelDirectory } from "../model/open-model-directory.ts";

/** What the reading thread is started with. */
export interface ReadRequest {
  readonly path: string;
  readonly options: OpenOptions;
}

/** What it answers, once: a model without its tokenizer, which is code and cannot cross threads, or why there is none. */
export type ReadReply =
  | {
      readonly kind: "model";
      readonly model: Omit<Model, "tokenizer">;
      readonly tokenizerDigest: string;
    }
  | {
      readonly kind: "refused";
      readonly error: Pick<AlbertError, "code" | "message" | "reason" | "metadata" | "violations">;
    }
  | { readonly kind: "bug"; readonly error: unknown };

/** Opens a model directory and hands its weights over without copying them. */
async function read({ path, options }: ReadRequest): Promise<{ reply: ReadReply; transfer: ArrayBuffer[] }> {
  try {
    const { tokenizer, ...model } = await openModelDirectory(path, options);
    const parameters = new Map(
      [...model.parameters].map(([name, { shape, data }]) => [name, { shape, data: ownBuffer(data) }]),
    );
    const transfer = [...new Set([...parameters.values()].map(({ data }) => data.buffer))];
    return { reply: { kind: "model", model: { ...model, parameters }, tokenizerDigest: tokenizer.digest }, transfer };
  } catch (error) {
    if (!(error instanceof AlbertError)) return { reply: { kind: "bug", error }, transfer: [] };
    const { code, message, reason, metadata, violations } = error;
    return { reply: { kind: "refused", error: { code, message, reason, metadata, violations } }, transfer: [] };
  }
}

/** The same numbers in a buffer that holds nothing else, so that it can be handed over. */
function ownBuffer(data: Float32Array): Float32Array<ArrayBuffer> {
  const { buffer, byteLength } = data;
  const owns = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  return owns ? new Float32Array(buffer) : new Float32Array(data);
}

if (parentPort !== null) {
  const { reply, transfer } = await read(workerData as ReadRequest);
  parentPort.postMessage(reply, transfer);
}
