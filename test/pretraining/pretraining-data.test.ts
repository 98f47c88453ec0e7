import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import type { PretrainingSettings } from "../../src/pretraining/hyperparameters.ts";
import { openPretrainingData } from "../../src/pretraining/pretraining-data.ts";
import { tinyText, tinyTokenizer } from "../support/english.ts";

const folder = mkdtempSync(join(tmpdir(), "albert-pretraining-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("tokens that an earlier run kept are used again, and made again where a byte of them is damaged", async () => {
  const text = join(folder, "a.txt");
  writeFileSync(
    text,
    tinyText(20, () => 4),
  );
  const cache = join(folder, "cache");
  let built = 0;
  const open = async () => {
    const settings = { officialQuirks: false, heldOut: 0 } as PretrainingSettings; // all that opening reads
    await openPretrainingData({
      files: [text],
      tokenizer: tinyTokenizer(),
      settings,
      cache,
      onProgress: () => built++,
    });
    return built;
  };
  const once = await open();
  expect(once).toBeGreaterThan(0);
  expect(await open()).toBe(once);
  const [store] = readdirSync(cache);
  for (const name of readdirSync(join(cache, store!))) {
    const file = join(cache, store!, name);
    const sound = readFileSync(file);
    const damaged = Buffer.from(sound);
    damaged[damaged.length >> 1]! ^= 1;
    writeFileSync(file, damaged);
    built = 0;
    expect(await open(), name).toBe(once);
    expect(readFileSync(file)).toEqual(sound);
    expect(readdirSync(cache)).toEqual([store]);
  }
});
