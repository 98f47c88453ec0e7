import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");
const PLACES = ["src", "test", "scripts", "bench", "loadtest", "proto", "deploy", "examples", "bin", "docs", "models"];
const files = [
  ...readdirSync(root),
  ...PLACES.flatMap((place) =>
    readdirSync(join(root, place), { recursive: true, encoding: "utf8" }).map((path) => `${place}/${path}`),
  ),
];

/** Code spans that look like a file of ours: `server/call/run-call.ts`, `error-table.ts`. */
function namedFiles(page: string): string[] {
  return [...page.matchAll(/`([\w./-]*\w\.(?:ts|tsx|mjs|proto))`/g)].map(([, path]) => path!);
}

const pages = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md"))
    .map((path) => `docs/${path}`),
];

it("finds the names of files in the page that has the most", () => {
  expect(namedFiles(readFileSync(join(root, "docs/ARCHITECTURE.md"), "utf8")).length).toBeGreaterThan(50);
});

it.each(pages)("%s names only files that exist", (page) => {
  const named = namedFiles(readFileSync(join(root, page), "utf8"));
  const absent = named.filter((path) => !files.some((file) => file === path || file.endsWith(`/${path}`)));
  expect(absent).toEqual([]);
});

it.each(pages)("%s links only to files that exist", (page) => {
  const links = [...readFileSync(join(root, page), "utf8").matchAll(/\]\((?!\w+:|#)([^)#\s]+)[^)]*\)/g)];
  expect(links.map(([, link]) => link!).filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
});

it.each(["CONTRIBUTING.md", "docs/ARCHITECTURE.md", "docs/GLOSSARY.md"])("%s names only folders that exist", (page) => {
  const folders = [...readFileSync(join(root, page), "utf8").matchAll(/`((?:[\w.-]+\/)+)`/g)].map(([, path]) => path!);
  expect(folders.filter((path) => !files.some((file) => `/${file}`.includes(`/${path}`)))).toEqual([]);
});
