import { existsSync } from "node:fs";

// Data with a weight, as flags name it: a file or dataset alone, or with "=" and its share of what is drawn.

/** What a flag names, and the weight behind it, where there is one. */
export interface WeightedText {
  readonly text: string;
  readonly weight?: number;
}

/** Gathers repeated `name=weight` options; a file whose own name ends so is that file. */
export function weighted(written: string, before: readonly WeightedText[] = []): readonly WeightedText[] {
  const found = /^(.+)=([0-9.eE+-]+)$/.exec(written);
  const weight = Number(found?.[2]);
  if (found === null || Number.isNaN(weight) || existsSync(written)) return [...before, { text: written }];
  return [...before, { text: found[1]!, weight }];
}

/** The mix of a first source with further ones; nothing where it stands alone and has no weight. A source without a weight has 1. */
export function mixOf<Source extends object>(
  first: WeightedText,
  further: readonly WeightedText[],
  sourceOf: (text: string) => Source,
) {
  if (further.length === 0 && first.weight === undefined) return {};
  const sources = further.map(({ text, weight = 1 }) => ({ ...sourceOf(text), weight }));
  return { mix: { weight: first.weight ?? 1, further: sources } };
}
