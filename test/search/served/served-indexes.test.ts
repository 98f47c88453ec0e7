import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { IndexStatus } from "../../../src/search/served/served-index.ts";
import { ServedIndexes } from "../../../src/search/served/served-indexes.ts";
import { newIndexFile, writeIndex } from "../../support/search-index.ts";
import { letterEncoder, vectorOf } from "../index/tiny-encoder.ts";

const NEVER = new AbortController().signal;
const encoder = letterEncoder();
let zebras: Buffer;
let bees: Buffer;
beforeAll(async () => {
  zebras = readFileSync(await writeIndex({ "z.txt": "Zebras graze." }, encoder));
  bees = readFileSync(await writeIndex({ "b.txt": "Bees make honey.", "c.txt": "Cats sleep." }, encoder));
});

const opened: ServedIndexes[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((indexes) => indexes.close()));
});

/** Indexes of these files, everything that they said, and what one finds first. */
async function serve(files: Readonly<Record<string, string>>) {
  const changes: IndexStatus[] = [];
  const errors: string[] = [];
  const indexes = new ServedIndexes(
    Object.entries(files).map(([name, file]) => ({ name, file })),
    {
      intervalMs: 10,
      onChange: (status) => changes.push(status),
      onError: (name, error) => errors.push(`${name}: ${(error as Error).message}`),
    },
  );
  opened.push(indexes);
  await indexes.begin();
  const first = async (name: string, text = "zebra bees") => {
    const vector = await vectorOf(encoder, text);
    const { passages } = await indexes.find(name).opened.find(vector, 1, NEVER);
    return passages[0]?.text;
  };
  const status = (name: string) => indexes.list().find((one) => one.name === name)!;
  return { indexes, changes, errors, first, status };
}

function fileOf(bytes: Uint8Array): string {
  const file = newIndexFile();
  writeFileSync(file, bytes);
  return file;
}

describe("indexes of a server", () => {
  it("answer each by itself; one that is missing and one that is damaged cost nothing else", async () => {
    const missing = newIndexFile();
    const files = { docs: fileOf(zebras), missing, damaged: fileOf(zebras.subarray(0, 900)) };
    const { indexes, errors, first, status } = await serve(files);
    expect(await first("docs")).toBe("Zebras graze.");
    expect(indexes.list()).toMatchObject([
      { name: "docs", state: "serving", summary: { files: 1, passages: 1, encoder: { digest: "letters" } } },
      { name: "missing", state: "failed", failure: "FILE_NOT_READABLE" },
      { name: "damaged", state: "failed", failure: "INDEX_CORRUPT" },
    ]);
    expect(() => indexes.find("damaged").opened).toThrow(
      expect.objectContaining({
        code: "unavailable",
        reason: "INDEX_UNAVAILABLE",
        metadata: expect.objectContaining({ failure: "INDEX_CORRUPT" }),
      }),
    );
    expect(() => indexes.find("doc")).toThrow(expect.objectContaining({ reason: "INDEX_NOT_FOUND" }));
    writeFileSync(missing, bees);
    await vi.waitFor(() => expect(status("missing").state).toBe("serving"), 5000);
    expect(await first("missing", "bees honey make")).toBe("Bees make honey.");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(errors).toHaveLength(2); // each once, however often it was tried
  });

  it("are read again when their file changes; while that fails, what was read before answers", async () => {
    const docs = fileOf(zebras);
    const { first, status, changes, errors } = await serve({ docs });
    const { digest } = status("docs").summary!;
    writeFileSync(docs, bees.subarray(0, bees.length - 5));
    await vi.waitFor(() => expect(status("docs").failure).toBe("INDEX_CORRUPT"), 5000);
    expect(status("docs")).toMatchObject({ state: "serving", summary: { digest } });
    expect(await first("docs")).toBe("Zebras graze.");
    writeFileSync(docs, bees);
    await vi.waitFor(() => expect(status("docs").summary?.digest).not.toBe(digest), 5000);
    expect(status("docs").failure).toBeUndefined();
    expect(await first("docs", "bees honey make")).toBe("Bees make honey.");
    rmSync(docs);
    await vi.waitFor(() => expect(status("docs").failure).toBe("FILE_NOT_READABLE"), 5000);
    expect(await first("docs", "bees honey make")).toBe("Bees make honey.");
    expect(changes.map(({ state }) => state)).not.toContain("failed");
    expect(errors.length).toBeGreaterThanOrEqual(2);
  });

  it("answer a search on the file that it began on, although another has taken its place", async () => {
    const docs = fileOf(zebras);
    const { indexes, status } = await serve({ docs });
    const { opened: before } = indexes.find("docs");
    const vector = await vectorOf(encoder, "zebra");
    writeFileSync(docs, bees);
    const searches: Promise<unknown>[] = [];
    while (status("docs").summary?.passages === 1) {
      searches.push(before.find(vector, 1, NEVER));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const found = (await Promise.all(searches)) as { passages: { text: string }[] }[];
    expect(new Set(found.map(({ passages }) => passages[0]!.text))).toEqual(new Set(["Zebras graze."]));
    await before.ended;
  });

  it("let a search be given up, and fail one alone that makes no sense", async () => {
    const { indexes, first } = await serve({ docs: fileOf(zebras) });
    const { opened: index } = indexes.find("docs");
    const vector = await vectorOf(encoder, "zebra");
    const gone = new AbortController();
    const given = index.find(vector, 1, gone.signal);
    expect(index.waiting).toBe(1);
    gone.abort(new Error("gone"));
    await expect(given).rejects.toThrow("gone");
    expect(index.waiting).toBe(0);
    await expect(index.find(new Float32Array(3), 1, NEVER)).rejects.toThrow("a vector of 3 numbers for an index of 26");
    expect(await first("docs")).toBe("Zebras graze.");
  });

  it("fail what waits when they are closed, and end their threads", async () => {
    const { indexes } = await serve({ docs: fileOf(zebras) });
    const { opened: index } = indexes.find("docs");
    const waiting = index.find(await vectorOf(encoder, "zebra"), 1, NEVER);
    const refused = expect(waiting).rejects.toMatchObject({ reason: "THREAD_LOST" });
    await indexes.close();
    await index.ended;
    await refused;
  });
});
