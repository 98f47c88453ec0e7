import type { AlbertConfig } from "../../model/config.ts";

// Groups of parameters by their distance from the head, and which of them learn when (gradual unfreezing: Howard and Ruder 2018,
// "Universal Language Model Fine-tuning for Text Classification", section 3.3). Layers that share weights are one group.

/**
 * How many groups of layers a parameter is below the head: 0 for heads and pooler, 1 for the last group of layers, and one more
 * than there are groups for the embeddings and their projection.
 *
 * @param name    official variable name
 * @param groups  `numHiddenGroups` of the model
 */
export function depthBelowHead(name: string, groups: number): number {
  if (!name.startsWith("bert/") || name.startsWith("bert/pooler/")) return 0;
  const group = /^bert\/encoder\/transformer\/group_(\d+)\//.exec(name)?.[1];
  return group === undefined ? groups + 1 : groups - Number(group);
}

/** Stages of a run that unfreezes: the head alone, each group of layers from the last to the first, and the embeddings. */
export function unfreezingStages({ numHiddenGroups }: Pick<AlbertConfig, "numHiddenGroups">): number {
  return numHiddenGroups + 2;
}

/** The parameters among these that do not learn yet in a stage, from 0. */
export function stillFrozen(names: Iterable<string>, groups: number, stage: number): string[] {
  return [...names].filter((name) => depthBelowHead(name, groups) > stage);
}
