import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, vi } from "vitest";
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

it("what a killed process left is broken by one of those who wait", { timeout: 40_000 }, async () => {
  writeFileSync(file, "0");
  writeFileSync(`${file}.lock`, "4711\n");
  await Promise.all(Array.from({ length: 10 }, addOne));
  expect(readFileSync(file, "utf8")).toBe("10");
  expect(readdirSync(directory)).toEqual(["list"]);
});

it("is not taken from one who works, however far the clock jumps", async () => {
  writeFileSync(file, "10");
  const order: string[] = [];
  let finish = () => {};
  const working = withFileLock(file, async () => {
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    order.push("first");
  });
  await new Promise((resolve) => setTimeout(resolve, 30)); // it has the lock
  const waiting = withFileLock(file, async () => void order.push("second"));
  for (const hours of [5, -10, 5]) {
    const { now } = Date;
    vi.spyOn(Date, "now").mockImplementation(() => now() + hours * 3_600_000);
    await new Promise((resolve) => setTimeout(resolve, 60)); // a few looks
    vi.restoreAllMocks();
  }
  finish();
  await Promise.all([working, waiting]);
  expect(order).toEqual(["first", "second"]);
});

it("work that fails lets others in", async () => {
  await expect(withFileLock(file, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  await addOne();
  expect(readFileSync(file, "utf8")).toBe("11");
});
