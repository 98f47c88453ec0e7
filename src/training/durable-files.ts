import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "../platform/atomic-files.ts";

/** Replaces a small file so that a reader, and the disk after a power cut, holds either the old content or the new. */
export async function writeFileDurably(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.writing`;
  const handle = await open(temporary, "w");
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}
