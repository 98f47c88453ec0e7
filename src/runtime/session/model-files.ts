import { open, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { GraphBuilder } from "../../graph/onnx/graph-builder.ts";
import { encodeModel } from "../../graph/onnx/serialise.ts";
import type { OnnxType } from "../../graph/onnx/tensors.ts";
import { makeTemporaryDirectory } from "../../platform/temporary-directories.ts";

// Writes a graph and its weights to the files from which sessions are opened, and removes them.

const WEIGHTS_FILE = "weights.bin";

/** An output of a graph. */
export interface ModelOutput {
  readonly name: string;
  readonly dtype: OnnxType;
}

/** A model on disk in the form that sessions load: a small graph, and its weights in a file that is mapped. */
export interface ModelFiles {
  /** Path of the graph; the weights lie next to it, and nothing else does. */
  readonly modelPath: string;
  /** What the graph gives, in its order. */
  readonly outputs: readonly ModelOutput[];
  /** Bytes of graph and weights: about what a session takes in memory at rest. */
  readonly fileBytes: number;
}

/**
 * Writes a graph and its weights to a private directory. The runtime maps the weights and keeps of them only what it has
 * not rearranged for its kernels, so that a model never has to be in memory twice.
 *
 * @param parent  where the directory is made; default: the system's directory for temporary files
 */
export async function writeModelFiles(graph: GraphBuilder, parent?: string): Promise<ModelFiles> {
  const directory = await makeTemporaryDirectory("session", parent);
  const modelPath = join(directory, "model.onnx");
  try {
    const { bytes, external } = encodeModel(graph, { externalFile: WEIGHTS_FILE });
    const weights = await open(join(directory, WEIGHTS_FILE), "w", 0o600);
    let fileBytes = bytes.byteLength;
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
        fileBytes += written;
      }
    } finally {
      await weights.close();
    }
    await writeFile(modelPath, bytes, { mode: 0o600 });
    const outputs = graph.outputs.map(({ name, dtype }) => ({ name, dtype }));
    return { modelPath, outputs, fileBytes };
  } catch (error) {
    await removeModelFiles({ modelPath });
    throw error;
  }
}

/** Deletes what `writeModelFiles` wrote; sessions that have loaded it are not affected. */
export async function removeModelFiles({ modelPath }: Pick<ModelFiles, "modelPath">): Promise<void> {
  await rm(dirname(modelPath), { recursive: true, force: true });
}
