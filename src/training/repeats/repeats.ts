import { join } from "node:path";
import { invalidInput } from "../../errors.ts";
import type { FineTuneSpec } from "../fine-tune.ts";

// Which runs make up a fine-tune that is repeated: one for each of several seeds, or for each part of its data that is held out.

/** One run of several that differ in their seed, or in what they hold out. */
export interface Repeat {
  /** "seed-12345" or "fold-1": also the directory of its checkpoints and results in that of all. */
  readonly name: string;
  readonly spec: FineTuneSpec;
}

/**
 * The runs that a specification asks for, in order: one unless its settings ask for several seeds or folds.
 *
 * - Seeds: the given one and those after it. All runs hold out the same examples.
 * - Folds: the training data, without what is held out besides, is cut into as many parts; each run holds out one of them. Its
 *   own evaluation data plays no part.
 *
 * @throws AlbertError invalid-input for runs without anything to compare them by
 */
export function repeatsOf(spec: FineTuneSpec): readonly Repeat[] {
  const { seeds = 1, folds = 0, seed = 12345 } = spec.given;
  const { data, work } = spec;
  if (folds > 0) {
    if (data.task === "sst-2") {
      const description =
        "SST-2's training rows are phrases of one another, which folds would divide: give whole sentences with --task classification";
      throw invalidInput([{ field: "folds", description }]);
    }
    const { eval: _, ...own } = data;
    return Array.from({ length: folds }, (_, index) => {
      const name = `fold-${index + 1}`;
      return { name, spec: { ...spec, work: join(work, name), data: { ...own, fold: { index, of: folds, seed } } } };
    });
  }
  if (seeds === 1) return [{ name: `seed-${seed}`, spec }];
  if (data.eval === undefined && (data.holdOut === undefined || data.holdOut.share === 0)) {
    throw invalidInput([
      { field: "seeds", description: "several runs are compared by evaluation data: there is none" },
    ]);
  }
  return Array.from({ length: seeds }, (_, index) => {
    const name = `seed-${seed + index}`;
    return { name, spec: { ...spec, work: join(work, name), given: { ...spec.given, seed: seed + index } } };
  });
}
