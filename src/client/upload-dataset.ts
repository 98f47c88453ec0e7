import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import type { Dataset } from "../gen/albert/v1/training_pb.js";
import type { AdminClient } from "./admin-client.ts";

// Uploads a file as a data set, in chunks that can be resumed.

export interface UploadOptions {
  /** File name whose ending says the format; that of the file unless given. */
  readonly name?: string;
  /** Receives the number of bytes that the server holds, after each chunk. */
  readonly onProgress?: (receivedBytes: number, totalBytes: number) => void;
}

/**
 * Uploads a file chunk by chunk. An upload that was interrupted goes on where it ended; a file that the server has already
 * is not sent again.
 *
 * @throws CallError; the file system's error for a file that cannot be read
 */
export async function uploadDataset(
  { datasets }: AdminClient,
  path: string,
  options: UploadOptions = {},
): Promise<Dataset> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer); // no encoding was set
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const { name = basename(path), onProgress } = options;
    const begun = await datasets.beginUpload({ name, bytes: BigInt(size), digest: hash.digest("hex") });
    const { uploadId, maxChunkBytes } = begun;
    const buffer = Buffer.alloc(Math.min(maxChunkBytes, size));
    let received = Number(begun.receivedBytes);
    while (received < size) {
      onProgress?.(received, size);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, received);
      if (bytesRead === 0) throw new Error(`${path} became shorter while it was sent; send it again`);
      const data = buffer.subarray(0, bytesRead);
      const reply = await datasets.uploadChunk({ uploadId, offset: BigInt(received), data });
      received = Number(reply.receivedBytes);
    }
    onProgress?.(size, size);
    const { dataset } = await datasets.commitUpload({ uploadId });
    return dataset!; // a commit that succeeds always names it
  } finally {
    await file.close();
  }
}
