// The interval of a share, for results that are right or wrong.

/** Of two-sided 95 %. */
export const Z_95 = 1.959963984540054;

/** Wilson's 95 % interval of a share. @param share  0 to 1, of so many trials */
export function wilsonInterval(share: number, trials: number): [low: number, high: number] {
  const spread = Z_95 * Math.sqrt((share * (1 - share)) / trials + (Z_95 * Z_95) / (4 * trials * trials));
  const scale = 1 + (Z_95 * Z_95) / trials;
  const middle = share + (Z_95 * Z_95) / (2 * trials);
  return [Math.max(0, (middle - spread) / scale), Math.min(1, (middle + spread) / scale)];
}
