import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { bytesSource } from "../../src/model/formats/random-access-file.ts";
import { openSafetensors } from "../../src/model/formats/safetensors.ts";
import { fileKindOf } from "../../src/platform/file-kind.ts";
import { readJsonValue } from "../../src/platform/json-file.ts";
import { memorySource, wholeText } from "../../src/tasks/datasets/data-source.ts";

const folder = mkdtempSync(join(tmpdir(), "albert-kinds-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const latin1 = (text: string) => Buffer.from(text.padEnd(80, "\x01"), "latin1");
const KINDS: readonly [string, Buffer, RegExp][] = [
  [
    "Git LFS",
    Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n"),
    /Git LFS.*git lfs pull/,
  ],
  ["a page", Buffer.from("\n<!DOCTYPE html><html><body>Sign in</body></html>"), /web page.*download/],
  ["a bare page", Buffer.from("<HTML><body>404</body></HTML>"), /web page/],
  ["Parquet", latin1("PAR1\x15\x04"), /Parquet.*CSV or JSON Lines/],
  ["Arrow", latin1("ARROW1\0\0"), /Arrow/],
  ["zip", latin1("PK\x03\x04\x14\0"), /zip archive.*unpack it/],
  ["old Excel", latin1("\xd0\xcf\x11\xe0\xa1\xb1"), /CSV UTF-8/],
  ["PDF", latin1("%PDF-1.7\n"), /PDF.*extract its text/],
  ["SQLite", latin1("SQLite format 3\0"), /SQLite/],
  ["Keras", latin1("\x89HDF\r\n\x1a\n"), /HDF5.*model\.safetensors/],
  ["bzip2", latin1("BZh91AY&SY"), /bzip2.*gzip/],
  ["zstd", latin1("\x28\xb5\x2f\xfd\x04"), /zstd/],
  ["xz", latin1("\xfd7zXZ\0"), /xz/],
  ["UTF-16 without a mark", Buffer.from("text,label\nfine,yes\n", "utf16le"), /UTF-16.*iconv/],
];

describe("a file that is not what it should be", () => {
  it.each(KINDS)("is named, as data, plain and packed, as weights and as JSON: %s", async (name, bytes, said) => {
    for (const content of [bytes, gzipSync(bytes)]) {
      await expect(wholeText(memorySource("x.csv", content))).rejects.toMatchObject({
        reason: "FORMAT_UNKNOWN",
        message: expect.stringMatching(said),
      });
    }
    await expect(openSafetensors(bytesSource("model.safetensors", bytes))).rejects.toThrow(said);
    const path = join(folder, `${name}.json`);
    writeFileSync(path, bytes);
    await expect(readJsonValue(path)).rejects.toMatchObject({
      reason: "JSON_INVALID",
      message: expect.stringMatching(said),
    });
  });

  it.each(["text,label\n", "BZh is a name", "PARIS,1\n", "7z, 8z", "Rar! he cried", "{}", "", "a < b\n", "ü,ñ\n"])(
    "is not seen in text: %j",
    async (text) => {
      expect(fileKindOf(Buffer.from(text))).toBeUndefined();
      expect(await wholeText(memorySource("x.csv", text))).toBe(text);
    },
  );
});

describe("text in UTF-16 with a byte order mark", () => {
  const text = "text,label\nfür \u{1f600} film,gut\n";
  const little = Buffer.from(`\ufeff${text}`, "utf16le");
  it.each([
    ["little endian", little],
    ["big endian", Buffer.from(little).swap16()],
    ["packed", gzipSync(little)],
  ])("is read: %s", async (_, bytes) => {
    expect(await wholeText(memorySource("x.csv", bytes))).toBe(text);
  });
});

describe("a JSON file", () => {
  it.each([
    ["\ufeff{}", undefined],
    ["", /is not JSON: it is empty/],
    ['{"a": 1,}', /is not JSON: .*position|is not JSON: .*property/],
    ['{"a": NaN}', /is not JSON: .*N/],
  ])("%j says where it is wrong", async (text, said) => {
    const path = join(folder, "some.json");
    writeFileSync(path, text);
    if (said === undefined) expect(await readJsonValue(path)).toEqual({});
    else await expect(readJsonValue(path)).rejects.toThrow(said);
  });
});
