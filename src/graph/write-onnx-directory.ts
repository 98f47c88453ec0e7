import { open } from "node:fs/promises";
import { join } from "node:path";
import { createDirectoryAtomically, writeNewFile } from "../platform/atomic-files.ts";
import { encodeModel } from "./onnx/serialise.ts";
import { buildExportGraph } from "./serving/export-graph.ts";
import type { Target } from "./serving/lowering.ts";
import type { ServingModel } from "./serving/serving-graph.ts";

const WEIGHTS_FILE = "weights.bin";

/**
 * Writes a model for ONNX Runtime: `model.onnx` and, next to it, the `weights.bin` that it reads. Inputs and outputs are
 * those of `buildExportGraph`; the heads are described in the model's metadata.
 *
 * @param directory  must not exist
 */
export async function writeOnnxDirectory(directory: string, model: ServingModel, target: Target): Promise<void> {
  const metadata = { target, heads: JSON.stringify(model.heads) };
  const encoded = encodeModel(buildExportGraph(model, target), { externalFile: WEIGHTS_FILE, metadata });
  await createDirectoryAtomically(directory, async (temporary) => {
    const weights = await open(join(temporary, WEIGHTS_FILE), "wx");
    try {
      let end = 0;
      for (const { offset, bytes } of encoded.external) {
        if (offset > end) await weights.writeFile(new Uint8Array(offset - end));
        const values = bytes();
        await weights.writeFile(values);
        end = offset + values.byteLength;
      }
      await weights.sync();
    } finally {
      await weights.close();
    }
    await writeNewFile(join(temporary, "model.onnx"), encoded.bytes);
  });
}
