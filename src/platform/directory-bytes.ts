import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** Bytes of all files below a directory; 0 where there is none. What goes away meanwhile is not counted. */
export async function directoryBytes(path: string): Promise<number> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  let bytes = 0;
  for (const entry of entries) {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) bytes += await directoryBytes(inside);
    else if (entry.isFile()) bytes += (await stat(inside).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}
