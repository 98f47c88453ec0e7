import { open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { GraphBuilder } from "../graph/onnx/graph-builder.ts";
import { encodeModel } from "../graph/onnx/serialise.ts";
import { makeTemporaryDirectory } from "../temporary-directories.ts";

const WEIGHTS_FILE = "weights.bin";

/** A model on disk in the form that sessions load: a small graph, and its weights in a file that is mapped. */
export interface ModelFiles {
  readonly modelPath: string;
  /** Bytes of the weights file. */
  readonly weightBytes: number;
  /** Deletes the files; sessions that have loaded them are not affected. */
  remove(): Promise<void>;
}

/**
 * Writes a graph and its weights to a private directory. The runtime maps the weights and keeps of them only what it has
 * not rearranged for its kernels, so that a model never has to be in memory twice.
 *
 * @param parent  where the directory is made; default: the system's directory for temporary files
 */
export async function writeModelFiles(graph: GraphBuilder, parent?: string): Promise<ModelFiles> {
  const directory = await makeTemporaryDirectory("session", parent);
  const remove = () => rm(directory, { recursive: true, force: true });
  try {
    const { bytes, external } = encodeModel(graph, { externalFile: WEIGHTS_FILE });
    const weights = await open(join(directory, WEIGHTS_FILE), "w", 0o600);
    let weightBytes = 0;
    try {
      for (const constant of external) {
        const values = constant.bytes();
        let written = 0;
        while (written < values.byteLength) {
          const { bytesWritten } = await weights.write(
            values,
            written,
            values.byteLength - written,
            constant.offset + written,
          );
          written += bytesWritten;
        }
        weightBytes += written;
      }
    } finally {
      await weights.close();
    }
    const modelPath = join(directory, "model.onnx");
    await writeFile(modelPath, bytes, { mode: 0o600 });
    return { modelPath, weightBytes, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
