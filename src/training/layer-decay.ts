import { depthBelowHead } from "./step/unfreezing.ts";

/**
 * The share of the learning rate that a parameter gets: `decay` to the power of its distance from the head, counted in groups of
 * layers (Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?", section 5.3.4). Head and pooler get all of it, the
 * last group `decay`, the embeddings and their projection the least. Where layers share weights, they are one group.
 *
 * @param name    official variable name
 * @param groups  `numHiddenGroups` of the model
 */
export function layerRate(name: string, groups: number, decay: number): number {
  return decay ** depthBelowHead(name, groups);
}
