/**
 * Copies a model under the name of its new directory, with other names for the labels of a classification (GLUE tasks number
 * theirs; "" keeps them) and with words on what it is for.
 *
 *     node --import tsx scripts/name-labels.ts SOURCE OUTPUT negative,positive ["what the model is for"]
 */
import { basename, resolve } from "node:path";
import { openModelDirectory } from "../src/model/directory/open-model-directory.ts";
import { writeModelDirectory } from "../src/model/directory/write-model-directory.ts";

const [source, output, names, description] = process.argv.slice(2);
if (source === undefined || output === undefined || names === undefined) {
  throw new Error("expected: SOURCE OUTPUT LABELS [DESCRIPTION]");
}
const labels = names === "" ? undefined : names.split(",");
const { config, heads, parameters, vocabulary, manifest } = await openModelDirectory(source);
const renamed = heads.map((head) => {
  if (head.kind !== "classification" || labels === undefined) return head;
  if (head.labels.length !== labels.length)
    throw new Error(`expected ${head.labels.length} labels, got ${labels.length}`);
  return { ...head, labels };
});
const { maxSequenceLength, metrics, lineage, fineTuning, encoding } = manifest;
await writeModelDirectory(output, {
  name: basename(resolve(output)),
  config,
  heads: renamed,
  parameters,
  vocabulary,
  maxSequenceLength,
  ...(description === undefined ? {} : { description }),
  ...(metrics === undefined ? {} : { metrics }),
  ...(lineage === undefined ? {} : { lineage }),
  ...(fineTuning === undefined ? {} : { fineTuning }),
  ...(encoding === undefined ? {} : { encoding }),
});
