import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeTemporaryDirectory, sweepTemporaryDirectories } from "../../src/platform/temporary-directories.ts";

const parent = mkdtempSync(join(tmpdir(), "albert-sweep-"));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

describe("temporary directories", () => {
  it("of processes that are gone are swept, and no others", async () => {
    const own = await makeTemporaryDirectory("session", parent);
    const name = basename(own);
    const { pid: gone } = spawnSync(process.execPath, ["--version"]);
    const of = (pid: number) => name.replace(`-${process.pid}-`, `-${pid}-`);
    const kept = [
      name,
      of(1),
      of(gone).replace(hostname().slice(0, 1), "~"),
      `albert-session-${gone}`,
      "other-1-abcdef",
    ];
    const abandoned = [of(gone), of(gone).replace("session", "plan")];
    for (const other of [...kept, ...abandoned]) mkdirSync(join(parent, other), { recursive: true });
    mkdirSync(join(parent, of(gone), "weights"));
    expect((await sweepTemporaryDirectories(parent)).sort()).toEqual(abandoned.sort());
    expect(readdirSync(parent).sort()).toEqual(kept.sort());
  });
});
