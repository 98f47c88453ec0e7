import { join } from "node:path";
import { openCheckpoint } from "../../src/model/checkpoint/open-checkpoint.ts";
import { writeModelDirectory } from "../../src/model/directory/write-model-directory.ts";
import { readSafetensors } from "../../src/model/formats/safetensors.ts";
import type { Head } from "../../src/model/heads.ts";
import { headParameters } from "../../src/model/parameters.ts";
import type { Tensor } from "../../src/model/tensor.ts";

/** Heads of the golden fixtures that fit the English trunk, and the folder each lies in. */
const HEADS: readonly (readonly [folder: string, head: Head])[] = [
  [
    "glue_2labels",
    { name: "sentiment", kind: "classification", problemType: "single-label", labels: ["0", "1"], scope: "sentiment" },
  ],
  ["squad_v1", { name: "answer", kind: "span" }],
  ["race", { name: "choice", kind: "multiple-choice", scope: "choice" }],
];

/**
 * Writes one model from the golden fixtures: the tiny English trunk with its classification, span and multiple-choice
 * heads, and the official vocabulary.
 *
 * @param vocabulary  path of `30k-clean.model`
 */
export async function writeTinyEnglish(directory: string, fixtures: string, vocabulary: string): Promise<void> {
  const trunk = await openCheckpoint(join(fixtures, "models/tiny-en/model.safetensors"), { vocabulary });
  const parameters = new Map(trunk.parameters);
  for (const [folder, head] of HEADS) {
    const { tensors } = await readSafetensors(join(fixtures, "heads", folder, "head.safetensors"));
    for (const { name } of headParameters(trunk.config, head)) {
      const official = name.replace(`heads/${head.scope}/`, "");
      parameters.set(name, float32(tensors.get(official), `${folder}/${official}`));
    }
  }
  const heads = HEADS.map(([, head]) => head);
  await writeModelDirectory(directory, {
    name: "tiny-english",
    config: trunk.config,
    heads,
    parameters,
    vocabulary: trunk.vocabulary!,
  });
}

function float32(tensor: { shape: readonly number[]; data: unknown } | undefined, name: string): Tensor {
  if (tensor === undefined || !(tensor.data instanceof Float32Array)) throw new Error(`no float tensor ${name}`);
  return { shape: tensor.shape, data: tensor.data };
}
