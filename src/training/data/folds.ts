import { createHash } from "node:crypto";
import { invalidInput } from "../../errors.ts";
import type { Example } from "../../tasks/datasets/examples.ts";
import { groupKey } from "./example-keys.ts";
import type { SplitRule } from "./split.ts";

// Divides examples into parts of like labels: of like size for cross-validation, or one to train on and one to hold out.

/** One of several parts of the training data, which a run holds out. */
export interface FoldRule {
  /** From 0. */
  readonly index: number;
  readonly of: number;
  /** Of the division, the same for all parts. */
  readonly seed: number;
}

/** Values of a regression are dealt out by rank, in so many classes of equal size. */
const RANKS = 10;

/**
 * The part of each example, from 0, in their order. What belongs together (a document with its questions, a text with its
 * repetitions) is in one part; the others are dealt out label by label, so that each part has about the same share of every label.
 *
 * @throws AlbertError invalid-input where there are fewer texts or documents than parts
 */
export async function foldsOf(
  examples: AsyncIterable<Example>,
  { of, seed }: Omit<FoldRule, "index">,
): Promise<Uint8Array> {
  const { keys, groups, drawn } = await drawnGroups(examples, seed);
  if (groups.size < of) {
    const description = `the data holds ${groups.size} different texts or documents, which do not fill ${of} parts`;
    throw invalidInput([{ field: "folds", description }]);
  }
  const sizes = new Array<number>(of).fill(0);
  for (const stratum of strata(drawn)) {
    for (const group of stratum) {
      // The smallest part so far: round and round where every text stands once.
      group.fold = sizes.indexOf(Math.min(...sizes));
      sizes[group.fold]! += group.count;
    }
  }
  return Uint8Array.from(keys, (key) => groups.get(key)!.fold);
}

/**
 * Which examples are held out, in their order: about the same share of every label, and of each text or document all or nothing.
 *
 * @returns 1 for an example that is held out, else 0
 * @throws AlbertError invalid-input where one side would be empty
 */
export async function stratifiedSplit(
  examples: AsyncIterable<Example>,
  { share, seed }: SplitRule,
): Promise<Uint8Array> {
  const { keys, groups, drawn } = await drawnGroups(examples, seed);
  let owed = 0; // rows by which what was held out so far falls short of the share
  for (const stratum of strata(drawn)) {
    owed += share * stratum.reduce((sum, { count }) => sum + count, 0);
    for (const group of stratum) {
      if (group.count > 2 * owed) continue; // without it the share is met better
      group.fold = 1;
      owed -= group.count;
    }
  }
  const heldOut = keys.filter((key) => groups.get(key)!.fold === 1).length;
  if (heldOut === 0 || heldOut === keys.length) {
    const description = `leaves nothing ${heldOut === 0 ? "to hold out" : "to train on"} of ${keys.length} usable rows`;
    throw invalidInput([{ field: "held_out_share", description }]);
  }
  return Uint8Array.from(keys, (key) => Number(groups.get(key)!.fold === 1));
}

interface Group {
  readonly stratum: string | number;
  count: number;
  /** The part it is in; -1 while it is in none. */
  fold: number;
}

/** The key of each example's group, the groups, and the same in an order that the seed draws. */
async function drawnGroups(examples: AsyncIterable<Example>, seed: number) {
  const groups = new Map<string, Group>();
  const keys: string[] = [];
  for await (const example of examples) {
    const key = groupKey(example);
    keys.push(key);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { stratum: stratumOf(example), count: 1, fold: -1 });
    else known.count++;
  }
  const drawn = [...groups.entries()]
    .map(([key, group]) => ({ group, draw: createHash("sha256").update(`${seed}/${key}`).digest("hex") }))
    .sort((a, b) => (a.draw < b.draw ? -1 : 1))
    .map(({ group }) => group);
  return { keys, groups, drawn };
}

/** What an example has in common with others that should be spread evenly. */
function stratumOf(example: Example): string | number {
  if (example.kind === "question") return example.isImpossible ? "impossible" : "answerable";
  if (example.kind === "choice" || example.kind === "pair") return "";
  return typeof example.label === "number" ? example.label : JSON.stringify(example.label ?? null);
}

/** Groups of one label, or of neighbouring values, each in the order given. */
function strata<G extends { readonly stratum: string | number }>(groups: readonly G[]): G[][] {
  const values = groups.filter(({ stratum }) => typeof stratum === "number");
  const ranked = [...values].sort((a, b) => Number(a.stratum) - Number(b.stratum));
  const rankOf = new Map(ranked.map((group, rank) => [group, Math.floor((rank * RANKS) / ranked.length)]));
  const byStratum = new Map<string | number, G[]>();
  for (const group of groups) {
    const stratum = rankOf.get(group) ?? group.stratum;
    const members = byStratum.get(stratum);
    if (members === undefined) byStratum.set(stratum, [group]);
    else members.push(group);
  }
  return [...byStratum.values()];
}
