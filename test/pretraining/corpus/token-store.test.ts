import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tokenId } from "../../../src/pretraining/corpus/packed-token.ts";
import {
  collectDocuments,
  emptyTextReport,
  MAX_SENTENCE_TOKENS,
  readDocuments,
} from "../../../src/pretraining/corpus/text-documents.ts";
import { MAX_LINE_BYTES, readTextLines } from "../../../src/pretraining/corpus/text-lines.ts";
import { TokenStore } from "../../../src/pretraining/corpus/token-store.ts";
import { buildTokenStore } from "../../../src/pretraining/corpus/token-store-writer.ts";
import { splitHeldOut } from "../../../src/pretraining/held-out.ts";
import { DocumentsInMemory } from "../../../src/pretraining/instances/official-instances.ts";
import { unigramEntropy } from "../../../src/pretraining/vocabulary/unigram-entropy.ts";
import { tinyText, tinyTokenizer } from "../../support/english.ts";
import { watchFlushes } from "../../support/flushes.ts";

const tokenizer = tinyTokenizer();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pretraining-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function textFile(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function lines(path: string) {
  const all = [];
  for await (const line of readTextLines(path)) all.push(line);
  return all;
}

async function documentsOf(files: string[], officialQuirks = false) {
  const report = emptyTextReport();
  const documents = await collectDocuments(readDocuments(files, tokenizer, { officialQuirks }, report));
  return { documents, report };
}

describe("reading lines", () => {
  it("reads plain and gzipped files alike, with or without a last newline", async () => {
    const plain = textFile("a.txt", "one\n\ntwo");
    const zipped = textFile("a.txt.gz", gzipSync("one\n\ntwo\n"));
    const expected = ["one", "", "two"].map((text) => ({ text, invalidUtf8: false, cut: false }));
    expect(await lines(plain)).toEqual(expected);
    expect(await lines(zipped)).toEqual(expected);
    expect(await lines(textFile("empty.txt", ""))).toEqual([]);
  });

  it("marks lines that are not UTF-8 and goes on", async () => {
    const got = await lines(textFile("a.txt", Buffer.from([0x61, 0xff, 0x62, 10, 0x63, 10])));
    expect(got).toEqual([
      { text: "a\ufffdb", invalidUtf8: true, cut: false },
      { text: "c", invalidUtf8: false, cut: false },
    ]);
  });

  it("cuts a line without end at a space, or between two characters", async () => {
    const spaced = `${"word ".repeat(700_000)}end\nnext\n`;
    const got = await lines(textFile("a.txt", spaced));
    expect(got.map(({ text }) => text).join("")).toBe(spaced.replaceAll("\n", ""));
    expect(got.filter(({ cut }) => cut).every(({ text }) => text.endsWith(" ") && text.length <= MAX_LINE_BYTES)).toBe(
      true,
    );
    const unbroken = "\u{1F431}".repeat(600_000);
    const cats = await lines(textFile("b.txt", unbroken));
    expect(cats.some(({ invalidUtf8 }) => invalidUtf8)).toBe(false);
    expect(cats.map(({ text }) => text).join("") === unbroken).toBe(true);
  });

  it("says when a file is missing or its gzip data is cut off", async () => {
    await expect(lines(join(folder, "absent"))).rejects.toMatchObject({ code: "not-found" });
    const zipped = textFile("a.gz", gzipSync("the cat\n".repeat(1000)));
    truncateSync(zipped, 40);
    await expect(lines(zipped)).rejects.toMatchObject({ code: "corrupt" });
  });
});

describe("reading documents", () => {
  it("ends a document at a blank line and at the end of a file", async () => {
    const a = textFile("a.txt", "the cat.\nthe dog.\n\n\nthe bird.");
    const b = textFile("b.txt", "the tree.\n \t\n");
    const { documents, report } = await documentsOf([a, b]);
    expect(documents.map((sentences) => sentences.length)).toEqual([2, 1, 1]);
    expect(report).toMatchObject({ files: 2, lines: 7, documents: 3, sentences: 4, oneSentenceDocuments: 2 });
  });

  it("lets a document run on into the next file with the official quirks", async () => {
    const a = textFile("a.txt", "the cat.\n");
    const b = textFile("b.txt", "the dog.\n");
    expect((await documentsOf([a, b], true)).documents.map((sentences) => sentences.length)).toEqual([2]);
    expect((await documentsOf([a, b], false)).documents.map((sentences) => sentences.length)).toEqual([1, 1]);
  });

  it("cuts an endless sentence at word starts, so that nothing of it is lost", async () => {
    const file = textFile("a.txt", "walking ".repeat(1000));
    const { documents } = await documentsOf([file]);
    const [sentences] = documents;
    expect(sentences!.every((sentence) => sentence.length <= MAX_SENTENCE_TOKENS && sentence[0]! >>> 31 === 0)).toBe(
      true,
    );
    expect(sentences!.reduce((sum, sentence) => sum + sentence.length, 0)).toBe(2000);
    expect((await documentsOf([file], true)).documents[0]!.length).toBe(1);
  });
});

describe("a token store", () => {
  const text = tinyText(40, (d) => 1 + (d % 7));

  it("gives back exactly the documents it was built from", async () => {
    const file = textFile("a.txt", text);
    const report = await buildTokenStore(join(folder, "store"), { files: [file], tokenizer, officialQuirks: false });
    const { documents } = await documentsOf([file]);
    const memory = new DocumentsInMemory(documents);
    const store = new TokenStore(join(folder, "store"));
    expect(store.count).toBe(40);
    expect(store.manifest.report).toEqual(report);
    for (let d = 0; d < store.count; d++) {
      const sentences = memory.sentenceCount(d);
      expect(store.sentenceCount(d)).toBe(sentences);
      expect([...store.lengths(d)]).toEqual([...memory.lengths(d)]);
      for (let first = 0; first < sentences; first++) {
        expect(store.read(d, first, sentences - first)).toEqual(memory.read(d, first, sentences - first));
        for (const tokens of [-3, 0, 1, 7, 20, 1000]) {
          expect(store.readAtLeast(d, first, tokens)).toEqual(memory.readAtLeast(d, first, tokens));
        }
      }
    }
    store.close();
  });

  it("refuses a text without a sentence, and leaves nothing behind", async () => {
    const store = join(folder, "store");
    for (const content of ["", "\n \n\n"]) {
      const source = { files: [textFile("a.txt", content)], tokenizer, officialQuirks: false };
      await expect(buildTokenStore(store, source)).rejects.toMatchObject({
        code: "precondition",
        reason: "TEXT_EMPTY",
      });
    }
    expect(() => new TokenStore(store)).toThrow(/no token store/);
  });

  it("is on the disk before it has its name, and tells a damaged byte in whichever file, and in which", async () => {
    const directory = join(folder, "store");
    const flushes = watchFlushes(folder);
    await buildTokenStore(directory, { files: [textFile("a.txt", text)], tokenizer, officialQuirks: false });
    expect(flushes.stop()).toEqual([]);
    const open = () => {
      const store = new TokenStore(directory);
      try {
        store.verify();
      } finally {
        store.close();
      }
    };
    open();
    for (const name of ["manifest.json", "tokens-00000.bin", "sentences-00000.bin", "documents-00000.bin"]) {
      const file = join(directory, name);
      const bytes = readFileSync(file);
      for (let at = 0; at < bytes.length - 20; at += 7) {
        bytes[at]! ^= 1;
        writeFileSync(file, bytes);
        expect(open, `${name} at ${at}`).toThrow(name);
        bytes[at]! ^= 1;
      }
      writeFileSync(file, bytes);
    }
    open();
  });

  it("refuses another vocabulary and damaged files", async () => {
    const directory = join(folder, "store");
    await buildTokenStore(directory, { files: [textFile("a.txt", text)], tokenizer, officialQuirks: false });
    const store = new TokenStore(directory);
    store.requireTokenizer(tokenizer);
    expect(() => store.requireTokenizer({ ...tokenizer, digest: "other" })).toThrow(/another vocabulary/);
    store.close();
    truncateSync(join(directory, "tokens-00000.bin"), 12);
    expect(() => new TokenStore(directory)).toThrow(/tokens-00000.bin should have \d+ bytes, got 12/);
    writeFileSync(join(directory, "manifest.json"), "{}");
    expect(() => new TokenStore(directory)).toThrow(/not that of a token store/);
  });

  it("holds out the same documents whatever lies around them", async () => {
    const blocks = text.trim().split("\n\n");
    const forward = textFile("a.txt", blocks.join("\n\n"));
    const backward = textFile("b.txt", [...blocks].reverse().slice(0, 30).join("\n\n"));
    const held = async (name: string, file: string) => {
      await buildTokenStore(join(folder, name), { files: [file], tokenizer, officialQuirks: false });
      const store = new TokenStore(join(folder, name));
      const { train, heldOut } = splitHeldOut(store, 0.3);
      expect(train.count + heldOut.count).toBe(store.count);
      const keys = Array.from({ length: heldOut.count }, (_, d) => heldOut.read(d, 0, heldOut.sentenceCount(d)).join());
      store.close();
      return new Set(keys);
    };
    const all = await held("one", forward);
    const some = await held("two", backward);
    expect(some.size).toBeGreaterThan(0);
    for (const key of some) expect(all.has(key)).toBe(true);
  });

  it("measures the unigram entropy of a text", async () => {
    const file = textFile("a.txt", "the the\ncat dog\n");
    const { documents } = await documentsOf([file]);
    const entropy = unigramEntropy(new DocumentsInMemory(documents), tokenizer.vocabSize);
    expect(entropy).toMatchObject({ tokens: 4, types: 3 });
    expect(entropy.nats).toBeCloseTo(1.5 * Math.LN2, 12);
    expect(documents[0]!.map((sentence) => tokenizer.pieceOf(tokenId(sentence[0]!)))).toEqual([
      "\u2581the",
      "\u2581cat",
    ]);
  });

  it("has a manifest that anyone can read", async () => {
    await buildTokenStore(join(folder, "store"), {
      files: [textFile("a.txt", text)],
      tokenizer,
      officialQuirks: false,
    });
    const manifest = JSON.parse(readFileSync(join(folder, "store", "manifest.json"), "utf8"));
    expect(manifest).toMatchObject({ format: "albert-token-store", tokenizer: { digest: tokenizer.digest } });
  });
});
