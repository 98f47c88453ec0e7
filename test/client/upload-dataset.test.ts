import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { AdminClient } from "../../src/client/admin-client.ts";
import { uploadDataset } from "../../src/client/upload-dataset.ts";

it("gives up an upload of a file that becomes shorter meanwhile, instead of sending nothing forever", async () => {
  const directory = mkdtempSync(join(tmpdir(), "albert-upload-"));
  const path = join(directory, "rows.jsonl");
  writeFileSync(path, "0123456789");
  const datasets = {
    beginUpload: async () => ({ uploadId: "u", receivedBytes: 0n, maxChunkBytes: 4 }),
    uploadChunk: async ({ offset, data }: { offset: bigint; data: Uint8Array }) => {
      truncateSync(path, 4);
      return { receivedBytes: offset + BigInt(data.length) };
    },
  };
  const uploaded = uploadDataset({ datasets } as unknown as AdminClient, path);
  await expect(uploaded).rejects.toThrow(/became shorter/);
  rmSync(directory, { recursive: true });
});
