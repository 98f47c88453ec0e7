// Draws probabilities as bars.

export interface Score {
  readonly label: string;
  /** 0..1 */
  readonly score: number;
  readonly chosen?: boolean;
}

/** Probabilities as bars, each also written as a number. */
export function ScoreBars({ scores, caption }: { readonly scores: readonly Score[]; readonly caption: string }) {
  return (
    <table class="scores">
      <caption class="visually-hidden">{caption}</caption>
      <tbody>
        {scores.map(({ label, score, chosen }, index) => (
          <tr key={`${index}-${label}`} class={chosen === true ? "chosen" : ""}>
            <th scope="row">{label}</th>
            <td class="bar" aria-hidden="true">
              <span style={{ width: `${(score * 100).toFixed(1)}%` }} />
            </td>
            <td class="number">{(score * 100).toFixed(1)} %</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
