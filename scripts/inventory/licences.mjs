// The licences of what reaches users: every package with its licence, and the texts that their packages carry, each text once.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, shippedPackages } from "./shipped-packages.mjs";

/** Licences that may reach users. Another one stops the script: somebody has to read it first. */
const ACCEPTED = new Set([
  "MIT",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "0BSD",
  "BlueOak-1.0.0",
  "Python-2.0",
  "Unlicense",
]);

/** What goes beyond the packages' own words. */
const NOTES = {
  "onnxruntime-node":
    "Its native library is built from further projects; they and their terms are in " +
    "https://github.com/microsoft/onnxruntime/blob/v{version}/ThirdPartyNotices.txt",
};

const INTRODUCTION = [
  "albert-serve is under the Apache License 2.0 (LICENSE). What comes with it keeps its own licence. This list is made from the lock",
  "file and the installed packages by `npm run inventory`; `sbom.cdx.json` has the same packages with their digests. The terms of the",
  "data behind the bundled models are in models/README.md.",
];

/**
 * The page, from the installed packages.
 *
 * @throws Error for a licence that nobody has accepted yet, and for packages that are not installed
 */
export function makeLicences() {
  return licencesPage(shippedPackages(), INTRODUCTION);
}

/** A page like it about some of the packages. */
export function licencesPage(shipped, introduction) {
  const packages = shipped.map(described);
  const texts = new Map();
  for (const each of packages) {
    for (const text of each.texts) texts.set(text, [...(texts.get(text) ?? []), each.title]);
  }
  return [
    "# Licences of third-party packages",
    "",
    ...introduction,
    "",
    "| package | licence | from |",
    "|---|---|---|",
    ...packages.map(
      ({ title, licence, from, onlyPage }) =>
        `| ${title}${onlyPage ? " (in the console's page)" : ""} | ${licence} | ${from} |`,
    ),
    "",
    ...packages.filter(({ note }) => note).map(({ title, note }) => `${title}: ${note}\n`),
    "## Texts",
    "",
    "Packages that are not named here carry no text of their own; the licence in the table is what they state.",
    "",
    ...[...texts].flatMap(([text, titles]) => [`### ${titles.join(", ")}`, "", "```text", text, "```", ""]),
  ].join("\n");
}

function described({ path, name, entry, onlyPage }) {
  const folder = join(ROOT, path);
  // Packages of one platform are installed there alone; the page is the same everywhere.
  const everywhere = entry.os === undefined && entry.cpu === undefined;
  const { author, repository } = everywhere ? JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) : {};
  const licence = entry.license ?? "";
  if (!accepted(licence)) {
    const where = import.meta.filename;
    throw new Error(`${name} is under ${licence || "no stated licence"}, which is not accepted yet: see ${where}`);
  }
  return {
    title: `${name} ${entry.version}`,
    licence,
    from: address(repository) ?? (typeof author === "string" ? author : (author?.name ?? "")),
    texts: everywhere ? textsOf(folder) : [],
    note: NOTES[name]?.replace("{version}", entry.version),
    onlyPage,
  };
}

/** Of alternatives one must be accepted; of what holds together, everything. */
function accepted(licence) {
  const plain = licence.replace(/[()]/g, "");
  return plain.split(" OR ").some((one) => one.split(" AND ").every((id) => ACCEPTED.has(id)));
}

function address(repository) {
  const url = typeof repository === "string" ? repository : repository?.url;
  const path = /github(?:\.com)?[/:]([^/]+\/[^/]+?)(?:\.git)?$/.exec(url ?? "")?.[1] ?? url;
  return path === undefined || path.includes(":") ? path : `https://github.com/${path}`;
}

/** The files of licence and notices, else the part of the read-me that holds the text. */
function textsOf(folder) {
  const files = readdirSync(folder).filter((file) => /^(?:licen[sc]e|copying|notice|thirdparty)/i.test(file));
  if (files.length > 0) return files.sort().map((file) => clean(readFileSync(join(folder, file), "utf8")));
  const readme = join(folder, "README.md");
  const part = existsSync(readme)
    ? /^#* *licen[sc]e\b.*$([\s\S]*)/im.exec(readFileSync(readme, "utf8"))?.[1]
    : undefined;
  return part?.includes("Permission is hereby granted") ? [clean(part.replace(/^\s*-+\s*$/m, ""))] : [];
}

/** One form for texts that differ in the ends of their lines only. */
function clean(text) {
  return text
    .replace(/\r\n?/g, "\n")
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")
    .replace(/^\n+|\n+$/g, "");
}
