import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
// @ts-expect-error a plain script has no types
import { sumsOf } from "../../scripts/bundle/make-bundle.mjs";
// @ts-expect-error a plain script has no types
import { leaveOut } from "../../scripts/docker/collect.mjs";

const folder = mkdtempSync(join(tmpdir(), "albert-bundle-"));
afterAll(() => rmSync(folder, { recursive: true }));
const script = join(import.meta.dirname, "../../scripts/bundle/make-bundle.mjs");
const make = (...args: string[]) => spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });

it("the digests of a bundle's files are those that sha256sum checks, and a changed file is found", () => {
  mkdirSync(join(folder, "inner"));
  writeFileSync(join(folder, "inner/b"), "two");
  writeFileSync(join(folder, "a"), "one");
  writeFileSync(join(folder, "SHA256SUMS"), sumsOf(folder));
  expect(sumsOf(folder).split("\n")).toEqual([
    "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  a",
    "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3  inner/b",
    "",
  ]);
  if (spawnSync("sha256sum", ["--version"]).status !== 0) return;
  const check = () => execFileSync("sha256sum", ["--check", "--quiet", "SHA256SUMS"], { cwd: folder, stdio: "pipe" });
  check();
  writeFileSync(join(folder, "a"), "on");
  expect(check).toThrow(/a: FAILED|did NOT match/);
});

it("CUDA libraries for a platform that has none are refused before anything is made, in one line", () => {
  const { status, stderr } = make("--platform", "linux-arm64", "--cuda");
  expect(status).toBe(1);
  expect(stderr).toBe("bundle: CUDA libraries exist for linux-x64 alone\n");
});

it("packages that are left out are gone with their commands and from npm's list", () => {
  const packages = join(folder, "installed/node_modules");
  for (const name of ["adm-zip", "semver", "zod", ".bin"]) mkdirSync(join(packages, name), { recursive: true });
  writeFileSync(join(packages, "semver/cli.js"), "");
  writeFileSync(join(packages, "zod/cli.js"), "");
  for (const name of ["semver", "zod"]) symlinkSync(`../${name}/cli.js`, join(packages, ".bin", name));
  const places = ["adm-zip", "semver", "zod"].map((name) => [`node_modules/${name}`, { version: "1.0.0" }]);
  const runtime = { version: "1.0.0", dependencies: { "adm-zip": "1", zod: "1" } };
  const installed = { ...Object.fromEntries(places), "node_modules/runtime": runtime };
  writeFileSync(join(packages, ".package-lock.json"), JSON.stringify({ packages: installed }));
  leaveOut(join(folder, "installed"), ["node_modules/adm-zip", "node_modules/semver"]);
  expect(readdirSync(packages).sort()).toEqual([".bin", ".package-lock.json", "zod"]);
  expect(readdirSync(join(packages, ".bin"))).toEqual(["zod"]);
  const list = JSON.parse(readFileSync(join(packages, ".package-lock.json"), "utf8"));
  expect(list.packages).toEqual({
    "node_modules/zod": { version: "1.0.0" },
    "node_modules/runtime": { version: "1.0.0", dependencies: { zod: "1" } },
  });
});
