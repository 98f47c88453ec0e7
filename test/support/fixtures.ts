import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

/** Directory of golden fixtures: `ALBERT_FIXTURES`, else the shared tree beside the project, else the bundled copies. */
const SHARED_FIXTURES = resolve(root, "../shared/fixtures");
export const BUNDLED_FIXTURES = join(root, "test/fixtures");
export const fixturesDir: string =
  process.env["ALBERT_FIXTURES"] !== undefined
    ? resolve(process.env["ALBERT_FIXTURES"])
    : existsSync(SHARED_FIXTURES)
      ? SHARED_FIXTURES
      : BUNDLED_FIXTURES;

/** A path below the fixtures directory, or undefined when this directory does not hold it. */
export function fixture(...path: string[]): string | undefined {
  const full = join(fixturesDir, ...path);
  return existsSync(full) ? full : undefined;
}

/** The official 30k vocabulary: of the fixtures directory in use, else the shared one. */
export function officialVocabulary(): string | undefined {
  return [join(fixturesDir, "tokenizer/30k-clean.model"), join(SHARED_FIXTURES, "tokenizer/30k-clean.model")].find(
    existsSync,
  );
}

/** Says loudly why a group of tests does not run; use as `describe.skipIf(missing("...", condition))`. */
export function missing(what: string, present: unknown): boolean {
  if (present) return false;
  console.warn(`\n*** SKIPPED: ${what} is not at hand; these tests did not run ***\n`);
  return true;
}
