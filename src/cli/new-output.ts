import { lstat } from "node:fs/promises";
import { basename } from "node:path";
import { AlbertError } from "../errors.ts";

/**
 * A run of hours must not find out at its end that it cannot write its result.
 *
 * @throws AlbertError already-exists
 */
export async function refuseExisting(output: string): Promise<void> {
  const exists = await lstat(output).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  throw new AlbertError("already-exists", `${basename(output)} exists: choose another --output, or remove it`, {
    reason: "DIRECTORY_EXISTS",
  });
}
