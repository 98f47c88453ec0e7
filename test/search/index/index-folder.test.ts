import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { citedPassage } from "../../../src/search/answers/ask.ts";
import { buildIndex } from "../../../src/search/index/build-index.ts";
import { readIndexFile, writeIndexFile } from "../../../src/search/index/index-file.ts";
import { SearchIndex } from "../../../src/search/index/search-index.ts";
import { letterEncoder, vectorOf } from "./tiny-encoder.ts";

const RULE = { version: 1, maxTokens: 8 } as const;
const FILES = {
  "a.txt": "Zebras graze.\n\nJazz 😀 quiz buzz fizz. Zz zz zz zz zz zz. Été zéro jazz zoo zip zap zen zest zone.",
  "sub/b.md": "# Bees\n\nBees make honey, and bumblebees do too.",
  "sub/c.html": "<html><body><h1>Cats</h1><p>Cats &amp; kits <b>catch</b>\n mice.</p><p>The end.</p></body></html>",
};

function folderOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = join(mkdtempSync(join(tmpdir(), "albert-index-")), "texts");
  mkdirSync(join(folder, "sub"), { recursive: true });
  for (const [path, content] of Object.entries(files)) writeFileSync(join(folder, path), content);
  return folder;
}

async function written(folder: string, encoder = letterEncoder()) {
  const path = join(folder, "../texts.index");
  await writeIndexFile(path, (await buildIndex({ folder, encoder, rule: RULE })).contents);
  return path;
}

describe("an index of a folder", () => {
  it("cites passages by exact ranges of the files' texts, in every unit", async () => {
    const encoder = letterEncoder();
    const index = new SearchIndex(await readIndexFile(await written(folderOf(FILES), encoder)));
    const found = await index.find(await vectorOf(encoder, "zzz"), 100);
    expect(found.map(({ file }) => file)).toContain("sub/c.html");
    const passages = found.filter(({ file }) => file === "a.txt");
    const text = FILES["a.txt"];
    expect(passages.length).toBeGreaterThan(2);
    for (const passage of passages) {
      expect(text.slice(passage.start, passage.end)).toBe(passage.text);
      const points = citedPassage(passage, "code-point");
      expect([...text].slice(points.start, points.end).join("")).toBe(passage.text);
      const bytes = citedPassage(passage, "utf-8");
      expect(Buffer.from(text).subarray(bytes.start, bytes.end).toString()).toBe(passage.text);
      expect(citedPassage(passage, "utf-16")).toMatchObject({ sourceStart: passage.start, sourceEnd: passage.end });
    }
    expect(index.textOf("a.txt")).toBe(text);
    expect(index.textOf("none.txt")).toBeUndefined();
  });

  it("finds the nearest passage first, and its place in the markup", async () => {
    const encoder = letterEncoder();
    const index = new SearchIndex(await readIndexFile(await written(folderOf(FILES), encoder)));
    const [best] = await index.find(await vectorOf(encoder, "cats kits catch mice"), 1);
    const { sourceStart, sourceEnd, text, start, end } = citedPassage(best!, "utf-16");
    expect(index.textOf("sub/c.html")!.slice(start, end)).toBe(text);
    expect(text).toContain("Cats & kits catch mice.");
    expect(FILES["sub/c.html"].slice(sourceStart, sourceEnd)).toMatch(
      /^Cats<\/h1><p>Cats &amp; kits <b>catch<\/b>\n mice\./,
    );
  });

  it("is the same file, byte for byte, from the same folder", async () => {
    const [a, b] = [await written(folderOf(FILES)), await written(folderOf(FILES))];
    expect(readFileSync(a).equals(readFileSync(b))).toBe(true);
  });

  it("takes unchanged files over, even under another name, and encodes the others alone", async () => {
    const folder = folderOf(FILES);
    const previous = await readIndexFile(await written(folder));
    renameSync(join(folder, "a.txt"), join(folder, "sub/moved.txt"));
    writeFileSync(join(folder, "sub/b.md"), "Bees sleep.");
    const encoder = letterEncoder();
    const built = await buildIndex({ folder, encoder, rule: RULE, previous });
    expect(built).toMatchObject({ unchanged: 2, removed: 1 });
    expect(encoder.texts).toEqual(["Bees sleep."]);
    const fresh = await buildIndex({ folder, encoder: letterEncoder(), rule: RULE });
    expect(built.contents).toEqual(fresh.contents);
  });

  it.each([
    ["encoder", letterEncoder("another"), RULE],
    ["length of passages", letterEncoder(), { version: 1, maxTokens: 9 }],
  ] as const)("takes nothing over where the %s is another", async (_, encoder, rule) => {
    const folder = folderOf(FILES);
    const previous = await readIndexFile(await written(folder));
    expect(await buildIndex({ folder, encoder, rule, previous })).toMatchObject({ unchanged: 0 });
  });

  it("leaves out files that are no text, and says why", async () => {
    const folder = folderOf({ ...FILES, "bad.txt": Buffer.from([0x66, 0xff]), "pic.png": "x", "empty.md": " \n" });
    const { skipped, others, contents } = await buildIndex({ folder, encoder: letterEncoder(), rule: RULE });
    expect(skipped).toEqual([{ path: "bad.txt", why: expect.stringContaining("bad.txt:1:2: not UTF-8") }]);
    expect(others).toEqual(["pic.png"]);
    expect(contents.files.find(({ path }) => path === "empty.md")).toMatchObject({ passages: 0 });
    const hopeless = buildIndex({ folder: folderOf({ "x.txt": "" }), encoder: letterEncoder(), rule: RULE });
    await expect(hopeless).rejects.toThrow(/none has a passage: all of them are empty/);
  });
});

describe("the file of an index", () => {
  it("is replaced as a whole, and nothing else is left beside it", async () => {
    const folder = folderOf(FILES);
    const path = await written(folder);
    rmSync(join(folder, "a.txt"));
    await written(folder);
    expect(new SearchIndex(await readIndexFile(path)).files.map(({ path: file }) => file)).toEqual([
      "sub/b.md",
      "sub/c.html",
    ]);
    expect(readdirSync(join(folder, "..")).sort()).toEqual(["texts", "texts.index"]);
  });

  it("is refused wherever one byte of it is another", async () => {
    const path = await written(folderOf(FILES));
    const sound = readFileSync(path);
    for (let at = 0; at < sound.length; at += Math.ceil(sound.length / 97)) {
      const damaged = Buffer.from(sound);
      damaged[at]! ^= 1;
      writeFileSync(path, damaged);
      await expect(readIndexFile(path), `byte ${at}`).rejects.toMatchObject({ reason: "INDEX_CORRUPT" });
    }
    writeFileSync(path, sound.subarray(0, sound.length - 5));
    await expect(readIndexFile(path)).rejects.toThrow(/texts.index is no sound search index: .* Make it again/);
  });

  it("is told from other files", async () => {
    const folder = folderOf(FILES);
    await expect(readIndexFile(join(folder, "a.txt"))).rejects.toMatchObject({ reason: "INDEX_CORRUPT" });
    await expect(readIndexFile(join(folder, "none"))).rejects.toMatchObject({ reason: "FILE_NOT_READABLE" });
  });
});
