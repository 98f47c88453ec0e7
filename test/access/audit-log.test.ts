import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { AuditLog, type AuditOptions } from "../../src/access/audit-log.ts";

let directory: string;
let file: string;
let now: number;
const errors: unknown[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "albert-audit-"));
  file = join(directory, "deep", "audit.log");
  now = 1_000_000;
  errors.length = 0;
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (more: Partial<AuditOptions> = {}) =>
  AuditLog.open({ file, maxBytes: 4096, keep: 2, onError: (error) => errors.push(error), now: () => now, ...more });
const lines = (path = file) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const entry = (method: string) => ({ caller: "token a (1)", peer: "p", method, outcome: "ok" });

it("keeps one object a line, readable by its owner only, and goes on in a file that is there", async () => {
  for (const method of ["a", "b"]) {
    const log = await open();
    log.write(entry(method), false);
    await log.close();
  }
  expect(lines()).toEqual(["a", "b"].map((method) => ({ time: "1970-01-01T00:16:40.000Z", ...entry(method) })));
  expect(statSync(file).mode & 0o077).toBe(0);
});

it("keeps files of bounded size and number, newest last, and loses nothing between them", async () => {
  const log = await open({ keep: 1000 });
  for (let index = 0; index < 500; index++) log.write(entry(`method-${index}`), false);
  await log.close();
  const found: string[] = [];
  for (let index = 999; index >= 0; index--) {
    const path = index === 0 ? file : `${file}.${index}`;
    if (!existsSync(path)) continue;
    expect(statSync(path).size).toBeLessThanOrEqual(4096);
    found.push(...lines(path).map(({ method }) => String(method)));
  }
  expect(found).toEqual(Array.from({ length: 500 }, (_, index) => `method-${index}`));
  const bounded = await open();
  for (let index = 0; index < 500; index++) bounded.write(entry(`more-${index}`), false);
  await bounded.close();
  expect(existsSync(`${file}.2`)).toBe(true);
  expect(lines().at(-1)).toMatchObject({ method: "more-499" });
});

it("counts refusals beyond some a second, and never leaves out what was done", async () => {
  const log = await open({ maxBytes: 1e9 });
  for (let index = 0; index < 1000; index++) log.write({ ...entry("x"), outcome: "NOT_ALLOWED" }, true);
  log.write(entry("done"), false);
  now += 1000;
  log.write({ ...entry("x"), outcome: "NOT_ALLOWED" }, true);
  await log.close();
  const written = lines();
  expect(written).toHaveLength(22);
  expect(written[20]).toMatchObject({ method: "done", left_out: 980 });
});

it.skipIf(process.getuid?.() === 0)("says that it cannot be written, and goes on when it can", async () => {
  const log = await open();
  chmodSync(file, 0o400);
  log.write(entry("lost"), false);
  await log.close();
  expect(errors).toHaveLength(1);
  chmodSync(file, 0o600);
  log.write(entry("kept"), false);
  await log.close();
  expect(lines()).toMatchObject([{ method: "kept", left_out: 1 }]);
});
