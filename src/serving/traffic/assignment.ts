import { createHash } from "node:crypto";

/**
 * Where a request lies among all requests for a name while one challenger gets a share: a number in [0, 1), the same for equal keys
 * in every process, and as good as drawn by lot over different keys. Another challenger draws another lot, so that not always
 * the same callers try out what is new; a larger share keeps those that the smaller one had.
 */
export function placeOf(model: string, challenger: string, key: string): number {
  const digest = createHash("sha256").update(`${model}\n${challenger}\n`).update(key).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}
