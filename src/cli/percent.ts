/** A probability as a person reads it: "93.1 %". */
export function percent(probability: number): string {
  return `${(100 * probability).toFixed(1).padStart(5)} %`;
}
