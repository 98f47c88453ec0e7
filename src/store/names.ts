import { type AlbertError, invalidInput, invariant } from "../errors.ts";

// The rules for names of models, aliases, data sets and keys.

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$/;
const KEY_PART = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/**
 * Refuses a name that a person gave and that could not be one element of a path: names of models, aliases and datasets
 * are 1 to 64 letters, digits, single dots, dashes and underscores.
 *
 * @throws AlbertError invalid-input naming the field
 */
export function checkName(field: string, name: string): void {
  if (name.length > 64 || !NAME.test(name)) {
    throw invalidInput([
      {
        field,
        description:
          "expected 1 to 64 letters, digits, single dots, dashes or underscores, beginning with a letter or digit",
      },
    ]);
  }
}

/** Refuses an alias name; besides `checkName`'s rule it must not look like a version number. */
export function checkAlias(alias: string): void {
  checkName("alias", alias);
  if (/^\d+$/.test(alias)) throw invalidInput([{ field: "alias", description: "an alias is not a number" }]);
}

/** Whether a text is a whole sha256 in hex, the name of a dataset. */
export function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** Digits of a digest that a person must give at least. */
export const SHORTEST_PREFIX = 8;

/** Whether a text is the beginning of a digest, long enough to mean one. */
export function isDigestPrefix(text: string): boolean {
  return new RegExp(`^[0-9a-f]{${SHORTEST_PREFIX},64}$`).test(text);
}

/** Two digests, or more, that begin with what a person gave for one. */
export function ambiguousDigest(field: string, prefix: string, digests: readonly string[]): AlbertError {
  const description = `${digests.length} digests begin with ${prefix}: ${digests.slice(0, 3).join(", ")}${digests.length > 3 ? ", ..." : ""}; give more digits`;
  return invalidInput([{ field, description }]);
}

/** Requires that a key has no empty, hidden or climbing part; keys are made by this room from checked names. */
export function checkKey(key: string): void {
  const sound = key.split("/").every((part) => KEY_PART.test(part) && !part.includes(".."));
  invariant(sound, `store key ${JSON.stringify(key)}`);
}
