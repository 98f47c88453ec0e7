import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { withFileLock } from "../../src/access/file-lock.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-lock-"));
const file = join(directory, "list");
afterAll(() => rmSync(directory, { recursive: true }));

async function addOne(): Promise<void> {
  await withFileLock(file, async () => {
    const count = Number(readFileSync(file, "utf8"));
    await new Promise((resolve) => setTimeout(resolve, 2));
    writeFileSync(file, String(count + 1));
  });
}

it("one works on a file at a time, and nothing is left", async () => {
  writeFileSync(file, "0");
  await Promise.all(Array.from({ length: 20 }, addOne));
  expect(readFileSync(file, "utf8")).toBe("20");
  expect(readdirSync(directory)).toEqual(["list"]);
});

it("what a killed process left is broken by one of those who wait", async () => {
  writeFileSync(file, "0");
  writeFileSync(`${file}.lock`, "4711\n");
  utimesSync(`${file}.lock`, new Date(), new Date(Date.now() - 60_000));
  await Promise.all(Array.from({ length: 10 }, addOne));
  expect(readFileSync(file, "utf8")).toBe("10");
  expect(readdirSync(directory)).toEqual(["list"]);
});

it("work that fails lets others in", async () => {
  await expect(withFileLock(file, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  await addOne();
  expect(readFileSync(file, "utf8")).toBe("11");
});
