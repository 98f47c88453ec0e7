// Renames tensors by rules, of which the first that fits is applied.

/** A name's beginning, or a part of it, and what stands there in the other naming; `$1` as in `String.replace`. */
export type Rename = readonly [from: RegExp, to: string];

/** Applies the first rule that fits one after the other to each list: a name may lie in a layer (first list) and be a part (second). */
export function rename(name: string, ...lists: readonly (readonly Rename[])[]): string {
  let renamed = name;
  for (const rules of lists) {
    const rule = rules.find(([from]) => from.test(renamed));
    if (rule !== undefined) renamed = renamed.replace(rule[0], rule[1]);
  }
  return renamed;
}
