import { lstat } from "node:fs/promises";
import { basename } from "node:path";
import { AlbertError } from "../errors.ts";

/**
 * Refuses an output that exists already: a run of hours must not fail when it writes its result.
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
