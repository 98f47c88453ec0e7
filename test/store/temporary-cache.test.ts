import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openTemporaryCache } from "../../src/store/temporary-cache.ts";

const DAY_S = 86_400;

describe("the cache of a store in S3", () => {
  const root = mkdtempSync(join(tmpdir(), "albert-caches-"));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it("is private, stays after a restart, and goes when nobody has used it for a week", async () => {
    const mine = await openTemporaryCache("a".repeat(16), root);
    expect(statSync(mine).mode & 0o777).toBe(0o700);
    mkdirSync(join(mine, "models"));
    const ago = (path: string, days: number) => {
      const time = Date.now() / 1000 - days * DAY_S;
      utimesSync(path, time, time);
    };
    const [recent, old, strange] = ["b".repeat(16), "c".repeat(16), "of-somebody"].map((name) => {
      const path = join(root, `albert-store-${name}`);
      mkdirSync(path);
      return path;
    });
    ago(recent!, 6);
    ago(old!, 8);
    ago(strange!, 8);
    ago(mine, 8); // its server was down
    expect(await openTemporaryCache("a".repeat(16), root)).toBe(mine);
    expect(readdirSync(mine)).toEqual(["models"]);
    await openTemporaryCache("b".repeat(16), root);
    expect(readdirSync(root).sort()).toEqual(
      ["a".repeat(16), "b".repeat(16), "of-somebody"].map((name) => `albert-store-${name}`),
    );
  });

  it("is not opened where somebody else has put something in its place", async () => {
    symlinkSync(root, join(root, `albert-store-${"d".repeat(16)}`));
    await expect(openTemporaryCache("d".repeat(16), root)).rejects.toMatchObject({ reason: "CACHE_FORBIDDEN" });
  });
});
