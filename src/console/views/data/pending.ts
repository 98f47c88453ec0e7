// What a person means to change of a data set. It knows no page and no server.

/** Changes by row number, by label, and by kind of problem. */
export interface Pending {
  readonly leaveOut: readonly number[];
  readonly problems: readonly string[];
  /** New values by row, then by column. */
  readonly rows: Readonly<Record<number, Readonly<Record<string, string>>>>;
  readonly labels: readonly (readonly [from: string, to: string])[];
}

export const NOTHING: Pending = { leaveOut: [], problems: [], rows: {}, labels: [] };

/** How many changes there are. */
export function countOf({ leaveOut, problems, rows, labels }: Pending): number {
  return leaveOut.length + problems.length + Object.keys(rows).length + labels.length;
}

/** The changes in a sentence. */
export function inWords({ leaveOut, problems, rows, labels }: Pending): string {
  const changed = Object.keys(rows).length;
  const many = (count: number) => (count === 1 ? "1 row" : `${count} rows`);
  return [
    ...(changed === 0 ? [] : [`${many(changed)} changed`]),
    ...(leaveOut.length === 0 ? [] : [`${many(leaveOut.length)} left out`]),
    ...problems.map((kind) => `all with "${kind.replaceAll("-", " ")}" left out`),
    ...labels.map(([from, to]) => `label ${from} written ${to}`),
  ].join(", ");
}

/** The changes as the call that stores them takes them. */
export function editsOf({ leaveOut, problems, rows, labels }: Pending) {
  return {
    leaveOut: [...leaveOut],
    leaveOutProblems: [...problems],
    edits: Object.entries(rows).map(([row, values]) => ({
      row: Number(row),
      cells: Object.entries(values).map(([column, value]) => ({ column, value })),
    })),
    renameLabels: labels.map(([from, to]) => ({ from, to })),
  };
}
