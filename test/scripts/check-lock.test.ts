import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
// @ts-expect-error a plain script, which runs before anything is installed, has no types
import { lockProblems } from "../../scripts/check-lock.mjs";

const lock = () => JSON.parse(readFileSync(join(import.meta.dirname, "../../package-lock.json"), "utf8"));

it("the lock file installs on every platform and tells no addresses", () => {
  expect(lockProblems(lock())).toEqual([]);
});

it("a lock without some platform's packages is refused, as npm ci refuses it", () => {
  const broken = lock();
  delete broken.packages["node_modules/@esbuild/win32-arm64"];
  expect(lockProblems(broken)).toEqual(["@esbuild/win32-arm64, an optional part of node_modules/esbuild, is missing"]);
});

it("addresses and packages without a digest are refused", () => {
  const broken = lock();
  broken.packages["node_modules/zod"].resolved = "https://example.org/zod.tgz";
  delete broken.packages["node_modules/pino"].integrity;
  expect(lockProblems(broken).sort()).toEqual([
    "node_modules/pino has no digest",
    "node_modules/zod records where it was downloaded from",
  ]);
});
