import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { openEngine } from "../../../src/runtime/packed-engine.ts";
import { runAlbert } from "../../support/command-line.ts";
import { writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { runServer } from "../../support/running-server.ts";

const HTML = "<html><body><h1>Dogs</h1><p>The dog &amp; the cat <i>ran</i> home.</p></body></html>";

describe("albert search", () => {
  let encoder: string;
  let reader: string;
  let folder: string;
  let index: string;
  const search = async (...args: string[]) => (await runAlbert("search", ...args)).out;
  beforeAll(async () => {
    encoder = await writeTinyModel([], 1);
    reader = await writeTinyModel([{ name: "span", kind: "span" }], 2);
    const root = mkdtempSync(join(tmpdir(), "albert-search-"));
    folder = join(root, "texts");
    index = join(root, "texts.index");
    mkdirSync(folder);
    writeFileSync(join(folder, "a.txt"), "The cat sat on the mat.\n\nWho was the first man?");
    writeFileSync(join(folder, "b.html"), HTML);
    writeFileSync(join(folder, "c.pdf"), "%PDF-1.7");
    const { out, err } = await runAlbert(
      "search",
      "index",
      folder,
      "--output",
      index,
      "--model",
      encoder,
      "--pooling",
      "mean",
    );
    expect(out).toMatch(/^2 files, 2 passages in .*\n {2}1 files of other kinds not read\n/);
    expect(err).toContain("1 PDFs; convert them first");
  });

  it("answers with exact slices of the files, and their places", async () => {
    const { answers, passages } = JSON.parse(
      await search("ask", index, "who sat?", "--reader", reader, "--best", "5", "--json"),
    );
    expect(answers.length).toBeGreaterThan(1);
    const texts: Record<string, string> = {
      "a.txt": readFileSync(join(folder, "a.txt"), "utf8"),
      "b.html": await search("text", index, "b.html"),
    };
    for (const { file, start, end, text, passage } of answers) {
      expect(texts[file]!.slice(start, end)).toBe(text);
      expect(passages[passage]).toMatchObject({ file });
      expect(passages[passage].text).toContain(text);
    }
    const [page] = passages.filter(({ file }: { file: string }) => file === "b.html");
    expect(HTML.slice(page.sourceStart, page.sourceEnd)).toBe("Dogs</h1><p>The dog &amp; the cat <i>ran</i> home.");
    expect(await search("ask", index, "who sat?", "--reader", reader)).toMatch(
      / % {2}.*\n +[ab]\.\w+ \d+-\d+\n +\.\.\. .*\[.*\].* \.\.\.\n$/,
    );
  });

  it("finds passages, nearest first", async () => {
    const { passages } = JSON.parse(await search("find", index, "the cat", "--json", "--top-k", "2"));
    expect(passages).toHaveLength(2);
    expect(passages[0].similarity).toBeGreaterThanOrEqual(passages[1].similarity);
    expect(await search("find", index, "the cat", "--top-k", "1")).toMatch(/^-?\d\.\d{3} {2}[ab]\.\w+ \d+-\d+\n {7}\S/);
  });

  it("says what an index holds", async () => {
    expect(await search("inspect", index)).toMatch(/files +2, .*\npassages +2, of at most 62 tokens\nencoder +tiny /);
    expect(JSON.parse(await search("inspect", index, "--json")).contents).toMatchObject([
      { path: "a.txt" },
      { path: "b.html" },
    ]);
    await expect(search("text", index, "none.txt")).rejects.toThrow(/has no file none.txt: albert search inspect/);
  });

  it("renews an index, taking over what is unchanged", async () => {
    const renewed = join(folder, "../renewed.index");
    const again = () => search("index", folder, "--output", renewed, "--model", encoder, "--pooling", "mean", "--json");
    await again();
    const before = readFileSync(renewed);
    expect(JSON.parse(await again())).toMatchObject({ unchanged: 2, removed: 0, files: 2 });
    expect(readFileSync(renewed).equals(before)).toBe(true);
  });

  it("refuses another encoder than the one that made the index, with what to do", async () => {
    const other = await writeTinyModel([], 9);
    await expect(search("find", index, "x", "--model", other)).rejects.toThrow(
      /was made by the encoder tiny of digest [0-9a-f]{12}, and .* is tiny of digest .*: name the right directory with --model, or make the index again/,
    );
  });

  it("refuses a model that is no encoder, unless told how it makes vectors", async () => {
    const output = join(folder, "../no.index");
    await expect(search("index", folder, "--output", output, "--model", encoder)).rejects.toThrow(
      /tiny is no sentence encoder: .*--pooling mean/,
    );
    await expect(
      search("index", folder, "--output", output, "--model", encoder, "--pooling", "cls", "--passage-tokens", "63"),
    ).rejects.toThrow(/the encoder reads at most 62 tokens, got 63/);
  });

  it("asks an index of a running server just as it asks a file", async () => {
    const server = await runServer({
      models: [
        { name: "vectors", directory: encoder },
        { name: "reader", directory: reader },
      ],
      config: { search: { indexes: [`docs=${index}`, "none=/none/none.index"] } },
      openEngine: (model) => openEngine(model, { threads: 1, calibrationMs: 0 }),
    });
    const there = ["--server", server.address];
    try {
      const ask = (at: string, ...flags: string[]) => search("ask", at, "who sat?", "--best", "3", ...flags);
      const [here, answered] = [
        await ask(index, "--reader", reader),
        await ask("docs", ...there, "--served-model", "reader"),
      ];
      expect(answered).toBe(here);
      const keys = (json: string) => Object.keys(JSON.parse(json).answers[0]).sort();
      expect(keys(await ask("docs", ...there, "--json"))).toEqual(keys(await ask(index, "--reader", reader, "--json")));
      const found = ["the cat", "--top-k", "1"];
      expect(await search("find", "docs", ...found, ...there)).toBe(await search("find", index, ...found));
      expect(await search("list", ...there)).toBe(
        "docs  2 passages of 2 files, encoder vectors\nnone  cannot be read: FILE_NOT_READABLE, see the server's log; it is tried again\n",
      );
      await expect(ask("doc", ...there)).rejects.toThrow(
        /answered NOT_FOUND: this server has no index of that name; it has docs, none/,
      );
      const flags = ["--reader", reader, "--device", "cpu"];
      await expect(ask("docs", ...there, ...flags)).rejects.toThrow(
        /--reader: is for models that run here.*--device: is for/,
      );
      await expect(ask(index, "--served-model", "reader")).rejects.toThrow(
        /--served-model: is for an index of a server/,
      );
    } finally {
      await server.close();
    }
  });

  it("refuses a question without a word, and a damaged index", async () => {
    await expect(search("ask", index, " ", "--reader", reader)).rejects.toThrow(/must hold more than white space/);
    const damaged = join(folder, "../damaged.index");
    writeFileSync(damaged, readFileSync(index).subarray(0, 900));
    await expect(search("find", damaged, "x")).rejects.toThrow(/damaged.index is no sound search index/);
    rmSync(damaged);
  });
});
