import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { expect, it } from "vitest";
// @ts-expect-error a script without types
import { anchorOf, navigation, stageSite, withinSite } from "../../scripts/docs-site/stage.mjs";

const root = join(import.meta.dirname, "../..");
const pages = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".md") && path !== "README.md")
  .map((path) => `docs/${path}`);

/** What a page says, without its blocks of code. */
const proseOf = (page: string) => readFileSync(join(root, page), "utf8").replace(/^(?:```[\s\S]*?^```| {4}.*)$/gm, "");

it("the list of pages leads to each of them, once, by what a reader wants", () => {
  const groups: { text: string; items: { link: string }[] }[] = navigation(
    readFileSync(join(root, "docs/README.md"), "utf8"),
  );
  expect(groups.map(({ text }) => text)).toEqual(["Tutorial", "How-to guides", "Reference", "Explanation", "Measured"]);
  const linked = groups.flatMap(({ items }) => items.map(({ link }) => `${link.slice(1)}.md`));
  expect(linked.sort()).toEqual([...pages].sort());
});

it("links to parts of pages lead to headings that are there", () => {
  const anchors = (page: string) =>
    [...readFileSync(join(root, page), "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!));
  const absent = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs/README.md", ...pages].flatMap(
    (page) =>
      [...proseOf(page).matchAll(/\]\((?!\w+:)([^)#\s]*)#([^)\s]+)\)/g)].flatMap(([link, path, anchor]) => {
        const target = path === "" ? page : normalize(join(dirname(page), path!));
        return target.endsWith(".md") && anchors(target).includes(anchor!) ? [] : [`${page}: ${link!.slice(1)}`];
      }),
  );
  expect(absent).toEqual([]);
});

it("the site keeps links within itself, and has plain words for sources and folders", () => {
  const isPart = (path: string) => ["docs/jobs.md", "README.md"].includes(path);
  const text =
    "[jobs](jobs.md#states), [start](../README.md), [code](../src/app.ts), ![p](images/x.png), [web](https://x.y)";
  expect(withinSite("docs/console.md", text, isPart)).toBe(
    "[jobs](jobs.md#states), [start](../README.md), code, ![p](images/x.png), [web](https://x.y)",
  );
});

it("its pages are laid out with their pictures and the navigation", () => {
  const stage = mkdtempSync(join(tmpdir(), "albert-site-"));
  stageSite(root, stage);
  expect(readFileSync(join(stage, ".vitepress/config.mjs"), "utf8")).toContain('"link": "/docs/tutorial"');
  expect(pages.filter((page) => !existsSync(join(stage, page)))).toEqual([]);
  expect(existsSync(join(stage, "docs/images/console-job.png"))).toBe(true);
  rmSync(stage, { recursive: true });
});
