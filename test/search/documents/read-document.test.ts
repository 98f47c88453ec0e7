import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { folderFiles } from "../../../src/search/documents/folder-files.ts";
import { documentKind, readDocument } from "../../../src/search/documents/read-document.ts";

const bytes = (text: string) => Buffer.from(text, "utf8");

describe("files that are read", () => {
  it("are told by the ends of their names, in any case", () => {
    expect(["a.md", "b.TXT", "c.htm", "d.pdf", "html", "e.md.bak"].map(documentKind)).toEqual([
      "markdown",
      "text",
      "html",
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("lose their byte order mark, and UTF-16 becomes text", async () => {
    expect((await readDocument("a.txt", bytes("\ufeffhallo"), "text")).text).toBe("hallo");
    const utf16 = Buffer.from("\ufeff<p>häl</p>", "utf16le");
    expect((await readDocument("a.html", utf16, "html")).text).toBe("häl");
  });

  it("may be pages, where pages are expected", async () => {
    const page = bytes("<!doctype html><p>x</p>");
    expect((await readDocument("a.html", page, "html")).text).toBe("x");
    await expect(readDocument("a.txt", page, "text")).rejects.toMatchObject({ reason: "FORMAT_UNKNOWN" });
  });

  it("are refused where they are no text, with the place", async () => {
    const latin1 = Buffer.from("line\ncaf\xe9", "latin1");
    await expect(readDocument("a.txt", latin1, "text")).rejects.toThrow("a.txt:2:4: not UTF-8");
    await expect(readDocument("a.html", latin1, "html")).rejects.toThrow("a.html:2:4: not UTF-8");
    await expect(readDocument("a.md", bytes("ab\0c"), "markdown")).rejects.toThrow("a.md:1:3: a U+0000 character");
  });
});

describe("the files of a folder", () => {
  it("are listed in one order, without what is hidden or linked", async () => {
    const folder = mkdtempSync(join(tmpdir(), "albert-folder-"));
    mkdirSync(join(folder, "sub/.git"), { recursive: true });
    for (const path of ["b.txt", "a.md", "sub/c.html", "sub/.git/d.txt", ".e.txt", "f.png"]) {
      writeFileSync(join(folder, path), "x");
    }
    symlinkSync(join(folder, "b.txt"), join(folder, "link.txt"));
    expect(await folderFiles(folder)).toEqual({ read: ["a.md", "b.txt", "sub/c.html"], others: ["f.png"] });
  });

  it("say what is expected where there is none", async () => {
    const folder = mkdtempSync(join(tmpdir(), "albert-folder-"));
    writeFileSync(join(folder, "a.pdf"), "x");
    await expect(folderFiles(folder)).rejects.toThrow(
      /expected names that end in .txt.*it has 1 others. PDFs are converted/,
    );
    await expect(folderFiles(join(folder, "a.pdf"))).rejects.toThrow(/is a file, and a folder of files is expected/);
    await expect(folderFiles(join(folder, "no"))).rejects.toThrow(/does not exist/);
  });
});
