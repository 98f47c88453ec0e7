import { datasets } from "./api.ts";
import { nameInStore } from "./parts/words/name-in-store.ts";

/**
 * Sends a file to the dataset store in chunks; a broken upload of the same bytes continues where it stopped.
 *
 * @param onProgress  called with the share sent so far, 0..1
 * @returns the dataset's digest (sha256 of the bytes, hex)
 */
export async function uploadDataset(
  file: File,
  signal: AbortSignal,
  onProgress: (share: number) => void,
): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const digest = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  const begun = await datasets.beginUpload(
    { name: nameInStore(file.name), bytes: BigInt(bytes.length), digest },
    { signal },
  );
  const chunk = Math.max(1, begun.maxChunkBytes || 512 * 1024);
  for (let offset = Number(begun.receivedBytes); offset < bytes.length; ) {
    const reply = await datasets.uploadChunk(
      { uploadId: begun.uploadId, offset: BigInt(offset), data: bytes.subarray(offset, offset + chunk) },
      { signal },
    );
    offset = Number(reply.receivedBytes);
    onProgress(offset / bytes.length);
  }
  const committed = await datasets.commitUpload({ uploadId: begun.uploadId }, { signal });
  return committed.dataset?.digest ?? digest;
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
