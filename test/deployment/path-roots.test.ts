import { mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { resolveBelow } from "../../src/deployment/path-roots.ts";

describe("a path below a root", () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "albert-roots-")));
  const [one, two] = [join(base, "one"), join(base, "two")];
  mkdirSync(join(one, "set"), { recursive: true });
  mkdirSync(two);
  writeFileSync(join(base, "secret.tsv"), "");
  writeFileSync(join(one, "set/train.tsv"), "");
  writeFileSync(join(two, "dev.tsv"), "");
  symlinkSync(join(base, "secret.tsv"), join(one, "link.tsv"));
  symlinkSync(base, join(one, "up"));

  it("is found below the first root that has it", async () => {
    expect(await resolveBelow([one, two], "set/train.tsv", "path")).toBe(join(one, "set/train.tsv"));
    expect(await resolveBelow([one, two], "dev.tsv", "path")).toBe(join(two, "dev.tsv"));
  });

  it.each([
    "../secret.tsv",
    "set/../../secret.tsv",
    "/etc/passwd",
    "",
    ".",
    "set//train.tsv",
    "set/./train.tsv",
    "a\\b",
    "a\0b",
  ])("is refused as the field it is when it is %j", async (path) => {
    await expect(resolveBelow([one], path, "source.path")).rejects.toMatchObject({
      code: "invalid-input",
      violations: [{ field: "source.path" }],
    });
  });

  it.each(["link.tsv", "up/secret.tsv"])("is refused when a link leads to it: %s", async (path) => {
    await expect(resolveBelow([one], path, "path")).rejects.toMatchObject({ reason: "PATH_IS_LINK" });
  });

  it("is not found elsewhere, and nothing is when no root is configured", async () => {
    await expect(resolveBelow([one], "secret.tsv", "path")).rejects.toMatchObject({ reason: "PATH_NOT_FOUND" });
    await expect(resolveBelow([], "dev.tsv", "path")).rejects.toMatchObject({ reason: "NO_ROOT" });
  });

  it("may have a root that is itself a link", async () => {
    symlinkSync(one, join(base, "root"));
    expect(await resolveBelow([join(base, "root")], "set/train.tsv", "path")).toBe(join(one, "set/train.tsv"));
  });
});
