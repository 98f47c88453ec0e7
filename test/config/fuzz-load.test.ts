import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { formatAccessList, parseAccessList } from "../../src/access/access-file.ts";
import { newToken, tokenHash } from "../../src/access/tokens.ts";
import { loadConfig } from "../../src/config/load.ts";
import { NAMED_SETTINGS } from "../../src/config/settings.ts";
import { loadProcessConfig } from "../../src/config/sources.ts";
import { AlbertError } from "../../src/errors.ts";
import { mutatedBytes, mutatedJson } from "../support/mutations.ts";

// What people configure a server with, damaged. ALBERT_TEST_FUZZ is how many inputs all are given together.

const INPUTS = 4;
const ASKED = process.env["ALBERT_TEST_FUZZ"];
const RUNS = ASKED === undefined ? 1000 : Math.ceil(Number(ASKED) / INPUTS);

const scratch = mkdtempSync(join(tmpdir(), "albert-config-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const settings: Record<string, Record<string, unknown>> = {};
for (const { key, setting } of NAMED_SETTINGS) {
  const [group = "", name = ""] = key.split(".");
  settings[group] = { ...settings[group], [name]: setting.default };
}

/** A valid list of callers. */
function accessList() {
  const { id, token } = newToken();
  const grant = { scopes: ["infer"] as const, models: ["tiny*"], limits: { requests_per_second: 5 } };
  return formatAccessList({
    tokens: [{ id, name: "t", sha256: tokenHash(token), created: 0, expires: 5, ...grant }],
    certificates: [{ name: "dns:a.example", ...grant }],
  });
}

/** It works, or says in words of ours what is wrong. */
function isReadOrRefused(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof AlbertError)) throw error;
    expect(error.message.length).toBeGreaterThan(10);
    expect(error.message.length).toBeLessThan(100_000);
  }
}

const holds = <T>(arbitrary: fc.Arbitrary<T>, read: (value: T) => unknown) =>
  fc.assert(
    fc.property(arbitrary, (value) => isReadOrRefused(() => read(value))),
    { numRuns: RUNS },
  );

describe("what a server is configured with is read or refused, however it is damaged", { timeout: 3_600_000 }, () => {
  it("the values of a configuration file", () =>
    holds(mutatedJson(settings), (json) => loadConfig({ file: { name: "a.json", json } })));

  it("the text of a configuration file", () => {
    const path = join(scratch, "a.json");
    return holds(mutatedBytes(Buffer.from(JSON.stringify(settings))), (bytes) => {
      writeFileSync(path, bytes);
      loadProcessConfig({}, path);
    });
  });

  it("variables and flags", () => {
    const names = NAMED_SETTINGS.map(({ key }) => key);
    const value = fc.oneof(fc.string(), fc.constantFrom("", "-1", "1e999", "yes", "a=b,c", "[::1]:0", "\u0000"));
    const given = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), value, { maxKeys: 4 });
    return holds(fc.tuple(given, given), ([variables, flags]) =>
      loadConfig({
        environment: renamed(variables, (key) => `ALBERT_${key.replace(".", "_").toUpperCase()}`),
        flags: renamed(flags, (key) => key.replace(/[._]/g, "-")),
      }),
    );
  });

  it("the file of callers", () =>
    holds(mutatedBytes(Buffer.from(accessList())), (bytes) => parseAccessList(Buffer.from(bytes).toString())));
});

function renamed(record: Readonly<Record<string, string>>, rename: (key: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [rename(key), value]));
}
