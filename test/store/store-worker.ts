import { createHash, randomInt } from "node:crypto";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { DirectoryObjectStore } from "../../src/store/objects/directory-object-store.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import { Uploads } from "../../src/store/uploads.ts";

// A process that publishes, promotes, uploads and collects in a random order until it is killed. It writes a line of JSON for
// everything that the store acknowledged.

/** What the store acknowledged. */
export type Acknowledged =
  | { readonly kind: "published"; readonly version: number; readonly digest: string }
  | { readonly kind: "promoted"; readonly version: number; readonly generation: number }
  | { readonly kind: "uploaded"; readonly digest: string }
  | { readonly kind: "collected"; readonly versions: readonly number[] };

export const MODEL = "m";
/** Versions that a collection keeps besides those that aliases name. */
export const KEPT = 2;
const CHUNK_BYTES = 1000;
const CHUNKS = 5;

/** Longer than a collection that was killed keeps writers waiting: the clock of each process is that much later. */
const BETWEEN_MS = 300_000;

/** The store as the process of a turn sees it. */
export async function openStoreAt(place: string, turn: number): Promise<Store> {
  return createStore({
    objects: await DirectoryObjectStore.open(place),
    cacheDirectory: join(place, "cache"),
    clock: { now: () => Date.now() + turn * BETWEEN_MS, wait: (ms) => setTimeout(ms) },
  });
}

/** Sends a file as far as it has not arrived yet. */
export async function upload(uploads: Uploads, content: Buffer): Promise<string> {
  const digest = createHash("sha256").update(content).digest("hex");
  const { uploadId, receivedBytes } = await uploads.begin({ name: "rows.tsv", bytes: content.length, digest });
  for (let offset = receivedBytes; offset < content.length; offset += CHUNK_BYTES) {
    await uploads.append(uploadId, offset, content.subarray(offset, offset + CHUNK_BYTES));
  }
  await uploads.commit(uploadId);
  return digest;
}

/** The file that is uploaded in a round of a turn; it can be made again. */
export function contentOf(turn: number, round: number): Buffer {
  return Buffer.alloc(CHUNK_BYTES * CHUNKS, `row ${round} of ${turn}\n`);
}

async function work(place: string, uploadDirectory: string, turn: number, directories: readonly string[]) {
  const store = await openStoreAt(place, turn);
  const uploads = new Uploads({ directory: uploadDirectory, datasets: store.datasets, maxBytes: 1e6 });
  const tell = (acknowledged: Acknowledged) => process.stdout.write(`${JSON.stringify(acknowledged)}\n`);
  for (let round = 0; ; round++) {
    const { version, digest } = await store.versions.publish(MODEL, directories[randomInt(directories.length)]!);
    tell({ kind: "published", version, digest });
    const { generation } = await store.aliases.point(MODEL, version, { reason: `round ${round}` });
    tell({ kind: "promoted", version, generation });
    tell({ kind: "uploaded", digest: await upload(uploads, contentOf(turn, round)) });
    const { removedVersions } = await store.collectGarbage({ keepVersions: KEPT, keepAliasChanges: 1 });
    tell({ kind: "collected", versions: removedVersions.map((removed) => removed.version) });
  }
}

const [, script, place, uploadDirectory, turn, ...directories] = process.argv;
if (script === import.meta.filename) await work(place!, uploadDirectory!, Number(turn), directories);
