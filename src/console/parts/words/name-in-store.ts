/** Characters that a name of the store may have. */
const LONGEST_NAME = 64;

/** A file's name as the store takes it: letters, digits, dots, dashes and underscores, with its ending. */
export function nameInStore(name: string): string {
  const plain = name
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/\.{2,}/g, ".")
    .replace(/^-+/, "");
  const ending = /(\.[A-Za-z0-9]+){1,2}$/.exec(plain)?.[0].slice(-12) ?? "";
  const stem = plain.slice(0, plain.length - ending.length).slice(0, LONGEST_NAME - ending.length);
  const sound = stem.replace(/^[^A-Za-z0-9]+/, "").replace(/[.-]+$/, "");
  return `${sound === "" ? "data" : sound}${ending}`;
}
