import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runAlbert } from "../../support/command-line.ts";
import { tinyText } from "../../support/english.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "vocab-"));
  writeFileSync(
    join(folder, "text.txt"),
    tinyText(5, () => 3),
  );
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe("albert vocab train", () => {
  const train = (...flags: string[]) => runAlbert("vocab", "train", "--output", join(folder, "v"), ...flags);

  it("says where to get the trainer when it is not where it should be", async () => {
    const attempt = train("--input", join(folder, "text.txt"), "--spm-train", join(folder, "absent"));
    await expect(attempt).rejects.toThrow(/apt-get install sentencepiece.*--spm-train PATH/);
  });

  it("names a file that cannot be read as the reason", async () => {
    await expect(train("--input", join(folder, "absent.txt"))).rejects.toMatchObject({ code: "not-found" });
  });
});
