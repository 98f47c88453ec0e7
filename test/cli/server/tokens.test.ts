import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { parseAccessList } from "../../../src/access/access-file.ts";
import { isTokenOf } from "../../../src/access/tokens.ts";
import { spawnAlbert } from "../../support/command-line.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-tokens-"));
const file = join(directory, "tokens.json");
afterAll(() => rmSync(directory, { recursive: true }));

const tokens = (...args: readonly string[]) => spawnAlbert(["tokens", ...args, "--file", file]);

const kept = () => parseAccessList(readFileSync(file, "utf8"));

it("albert tokens makes, lists and revokes", async () => {
  const made = await tokens(
    "create",
    "--name",
    "ci",
    "--scope",
    "infer,read",
    "--model",
    "team-*",
    "--expires-days",
    "2",
  );
  expect(made.status).toBe(0);
  expect(made.out).toMatch(/^albert_[0-9a-f]{12}_\S{43}\n$/);
  const [entry] = kept().tokens;
  expect(entry).toMatchObject({ name: "ci", scopes: ["infer", "read"], models: ["team-*"] });
  expect(isTokenOf(made.out.trim(), entry?.sha256)).toBe(true);
  expect((entry?.expires ?? 0) - (entry?.created ?? 0)).toBe(2 * 86_400_000);
  expect(readFileSync(file, "utf8")).not.toContain(made.out.trim().slice(-43));

  expect((await tokens("create", "--name", "ci", "--scope", "train")).status).toBe(0);
  expect((await tokens("create", "--certificate", "DNS:a.example", "--scope", "infer")).status).toBe(0);
  const listed = await tokens("list");
  expect(
    listed.out
      .split("\n")
      .slice(0, 4)
      .map((line) => line.split(/ +/)[1]),
  ).toEqual(["NAME", "ci", "ci", "DNS:a.example"]);
  const several = await tokens("revoke", "ci");
  expect(several).toMatchObject({ status: 1, err: expect.stringContaining("several are called ci") });
  expect((await tokens("revoke", entry?.id ?? "")).status).toBe(0);
  expect((await tokens("revoke", "DNS:a.example")).status).toBe(0);
  expect(kept()).toMatchObject({ tokens: [{ scopes: ["train"] }], certificates: [] });
}, 120_000);

it("albert tokens create keeps every token of commands that run at once, each with its limits", async () => {
  const before = kept().tokens.length;
  const names = ["a", "b", "c", "d"];
  const made = await Promise.all(
    names.map((name, index) =>
      tokens("create", "--name", name, "--scope", "infer", "--limit", `streams=${index},jobs=0`),
    ),
  );
  expect(made.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
  const added = kept().tokens.slice(before);
  expect(added.map(({ name, limits }) => [name, limits]).sort()).toEqual(
    names.map((name, index) => [name, { streams: index, jobs: 0 }]),
  );
  expect(existsSync(`${file}.lock`)).toBe(false);
}, 120_000);

it("albert tokens refuses what cannot be meant, and leaves the file alone", async () => {
  const before = readFileSync(file, "utf8");
  for (const [args, words] of [
    [["--name", "a", "--scope", "everything"], "none of infer"],
    [["--name", "a b", "--scope", "infer"], "without spaces"],
    [["--name", "a", "--scope", "infer", "--model", "a b"], "is no name"],
    [["--certificate", "a.example", "--scope", "infer"], "must be DNS:"],
    [["--scope", "infer"], "is missing"],
    [["--name", "a", "--scope", "infer", "--limit", "everything=1"], "have no"],
    [["--name", "a", "--scope", "infer", "--limit", "jobs=many"], "must be a number"],
  ] as const) {
    expect(await tokens("create", ...args)).toMatchObject({ status: 2, err: expect.stringContaining(words) });
  }
  expect(readFileSync(file, "utf8")).toBe(before);
}, 120_000);
