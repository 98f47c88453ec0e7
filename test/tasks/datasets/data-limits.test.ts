import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGzip, gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { tarArticles } from "../../../src/tasks/datasets/article-files.ts";
import { MAX_JSON_DEPTH, MAX_LINE_BYTES } from "../../../src/tasks/datasets/data-limits.ts";
import { type DataSource, decodedText, memorySource, textLines } from "../../../src/tasks/datasets/data-source.ts";
import { parseJson } from "../../../src/tasks/datasets/json-text.ts";
import { readSquadFile } from "../../../src/tasks/datasets/squad-file.ts";

const MIB = 2 ** 20;

async function drain(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of items) count++;
  return count;
}

/** So many bytes of one letter, and no more memory. */
function endless(name: string, bytes: number): DataSource & { read: number } {
  const chunk = Buffer.alloc(MIB, "a");
  return {
    name,
    read: 0,
    async *open() {
      for (let sent = 0; sent < bytes; sent += chunk.length) {
        this.read = sent;
        yield chunk;
      }
    },
  };
}

/** A gzip file that unpacks to so many bytes between two texts. */
async function bomb(before: string, mebibytes: number, after: string): Promise<Buffer> {
  const gzip = createGzip({ level: 9 });
  const chunks: Buffer[] = [];
  gzip.on("data", (chunk) => chunks.push(chunk));
  const ended = new Promise((resolve) => gzip.once("end", resolve));
  gzip.write(before);
  const chunk = Buffer.alloc(MIB, "a");
  for (let i = 0; i < mebibytes; i++)
    if (!gzip.write(chunk)) await new Promise((resolve) => gzip.once("drain", resolve));
  gzip.end(after);
  await ended;
  return Buffer.concat(chunks);
}

const tooLarge = (says: RegExp) => ({
  reason: "DATA_TOO_LARGE",
  code: "invalid-input",
  message: expect.stringMatching(says),
});

describe("what would have to be held at once", () => {
  it("is bounded: a line, of which no more is read", async () => {
    const source = endless("f.csv", 2 ** 34);
    await expect(drain(textLines(source))).rejects.toMatchObject(
      tooLarge(/^f\.csv:1:1: a line of more than 16777216 bytes: /),
    );
    expect(source.read).toBeLessThan(MAX_LINE_BYTES + 4 * MIB);
    const second = memorySource("g.csv", `a\n${"b".repeat(30)}\n`);
    await expect(drain(textLines(second, 20))).rejects.toMatchObject(tooLarge(/^g\.csv:2:1: /));
    expect(await drain(textLines(second, 30))).toBe(2);
  });

  it("is bounded: a document, of which no more is read", async () => {
    const source = endless("f.json", 2 ** 34);
    await expect(decodedText(source, 8 * MIB)).rejects.toMatchObject(
      tooLarge(/^f\.json: more than 8388608 bytes .*JSON Lines/),
    );
    expect(source.read).toBeLessThan(12 * MIB);
  });

  it("is bounded: brackets in brackets, however many", () => {
    const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
    expect(parseJson(deep(MAX_JSON_DEPTH), "f")).toBeInstanceOf(Array);
    for (const text of [deep(MAX_JSON_DEPTH + 1), "[".repeat(200_000), '{"a":'.repeat(200_000)]) {
      expect(() => parseJson(text, "f")).toThrow(/^f:1:\d+: JSON nested more than 64 levels deep: /);
    }
    expect(parseJson(JSON.stringify("[".repeat(1000)), "f")).toHaveLength(1000);
    expect(() => parseJson(`"\\\\"${"[".repeat(65)}`, "f")).toThrow(/nested more than/);
  });

  it("is bounded: what gzip unpacks to, in lines, documents and archives", async () => {
    const lineBomb = await bomb("", 200, "\n");
    expect(lineBomb.length).toBeLessThan(MIB);
    await expect(drain(textLines(memorySource("b.jsonl.gz", lineBomb)))).rejects.toMatchObject(
      tooLarge(/a line of more/),
    );
    const documentBomb = await bomb('{"data": ["', 200, '"]}');
    const squad = readSquadFile(memorySource("b.json.gz", documentBomb));
    await expect(squad).rejects.toMatchObject(tooLarge(/unpacks to more than 200 times its size/));
    const rows = gzipSync(`${"a".repeat(1000)},b\n`.repeat(200_000));
    await expect(drain(textLines(memorySource("rows.csv.gz", rows)))).rejects.toMatchObject(
      tooLarge(/unpacks to more/),
    );
    const tar = pack();
    tar.entry({ name: "dev/1.txt" }, "a".repeat(150 * MIB));
    tar.finalize();
    const chunks: Uint8Array[] = [];
    for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(chunk);
    const plain = tarArticles(memorySource("r.tar", Buffer.concat(chunks)));
    await expect(drain(plain)).rejects.toMatchObject(
      tooLarge(/^r\.tar: dev\/1\.txt: more than 134217728 bytes in one file/),
    );
  }, 240_000);

  it("grows a process that meets a bomb of half a gigabyte by less than 256 MiB", async () => {
    const directory = mkdtempSync(join(tmpdir(), "albert-bomb-"));
    try {
      for (const [name, before, after] of [
        ["line.jsonl.gz", "", "\n"],
        ["document.json.gz", '{"data": ["', '"]}'],
      ] as const) {
        const path = join(directory, name);
        writeFileSync(path, await bomb(before, 512, after));
        const { stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", READ], {
          encoding: "utf8",
          env: {
            ...process.env,
            BOMB: path,
            MODULE: join(import.meta.dirname, "../../../src/training/data/validate-dataset.ts"),
          },
        });
        const { reason, growth } = JSON.parse(stdout || `{"reason": ${JSON.stringify(stderr)}}`);
        expect(reason).toBe("DATA_TOO_LARGE");
        expect(growth).toBeLessThan(256 * MIB);
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }, 240_000);
});

/** Validates the file named by BOMB, and says what came of it and how many bytes the process had grown at most. */
const READ = `
  const { validateDataset } = await import(process.env.MODULE);
  const before = process.memoryUsage.rss();
  const reason = await validateDataset({ task: "qa", paths: [process.env.BOMB] }).then(() => "", (error) => error.reason);
  console.log(JSON.stringify({ reason, growth: process.resourceUsage().maxRSS * 1024 - before }));
`;
