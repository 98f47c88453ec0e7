import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { AlbertError, corrupt } from "../../errors.ts";
import { isSystemFault } from "../../platform/disk-space.ts";

// Reads bytes at any position, from an open file or from memory.

/** Bytes that can be read at any position: an open file, or a block of memory. */
export interface ByteSource {
  /** Its name in error messages: a file's name without its directory. */
  readonly name: string;
  readonly size: number;
  /**
   * Fills `target` from `position` on.
   *
   * @throws AlbertError corrupt when the source ends first
   */
  read(target: Uint8Array, position: number): Promise<void>;
}

/** Opens a file for positioned reads while `use` runs. */
export async function withFile<T>(path: string, use: (source: ByteSource) => Promise<T>): Promise<T> {
  const name = basename(path);
  const handle = await open(path, "r").catch((cause: unknown) => {
    if (isSystemFault(cause)) throw cause;
    throw new AlbertError("not-found", `${name} cannot be opened`, { reason: "FILE_NOT_READABLE", cause });
  });
  try {
    const { size } = await handle.stat();
    return await use({
      name,
      size,
      read: (target, position) => readFully(handle, name, target, position),
    });
  } finally {
    await handle.close();
  }
}

/** Fills a block from a file, however little the system gives at once. @throws AlbertError corrupt when the file ends before */
export async function readFully(handle: FileHandle, name: string, target: Uint8Array, position: number): Promise<void> {
  let filled = 0;
  while (filled < target.length) {
    const { bytesRead } = await handle.read(target, filled, target.length - filled, position + filled);
    if (bytesRead === 0) {
      throw corrupt(`${name} ends at byte ${position + filled}, ${target.length - filled} bytes too early`);
    }
    filled += bytesRead;
  }
}

/** A block of memory as a source. */
export function bytesSource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.length,
    async read(target, position) {
      if (position + target.length > bytes.length) {
        throw corrupt(
          `${name} ends at byte ${bytes.length}, ${position + target.length - bytes.length} bytes too early`,
        );
      }
      target.set(bytes.subarray(position, position + target.length));
    },
  };
}

/** sha256 (hex) of everything a source holds. */
export async function sha256Of(source: ByteSource): Promise<string> {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(Math.min(source.size, 4 << 20));
  for (let at = 0; at < source.size; at += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, source.size - at));
    await source.read(part, at);
    hash.update(part);
  }
  return hash.digest("hex");
}
