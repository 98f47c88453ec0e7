/** Milliseconds of something that was run several times. */
export interface Timing {
  readonly best: number;
  readonly p50: number;
  readonly p99: number;
}

/** Quantiles of a list of milliseconds. */
export function timingOf(milliseconds: readonly number[]): Timing {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  const at = (share: number) => rounded(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!);
  return { best: at(0), p50: at(0.5), p99: at(0.99) };
}

/**
 * Times several things in turn, round after round, so that whatever else the machine does meets all of them alike.
 *
 * @returns milliseconds of each, by name, in the order in which they were run
 */
export async function inTurn<K extends string>(
  subjects: Readonly<Record<K, () => Promise<unknown>>>,
  rounds: number,
): Promise<Record<K, number[]>> {
  const names = Object.keys(subjects) as K[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (const name of names) await subjects[name]();
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const startedAt = performance.now();
      await subjects[name]();
      times[name].push(performance.now() - startedAt);
    }
  }
  return times;
}

/** Four significant digits: more would be noise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
