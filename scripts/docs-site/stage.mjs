// Lays out the pages of the site: the same Markdown that a forge shows, and what the generator needs besides. It starts nothing.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";

/** Pages outside of `docs/` that are part of the site. */
const OUTSIDE = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];

/** What stands in a link of Markdown that leads to a file: text, path, and what follows the path. */
const LINK = /(!?)\[((?:[^\][]|\[[^\]]*\])*)\]\((?!\w+:|#|\/)([^)#\s]+)([^)]*)\)/g;

/**
 * A page whose links to what is no part of the site (sources, folders) are plain words.
 *
 * @param {string} page  path of the page, from the root
 * @param {string} text
 * @param {(path: string) => boolean} isPart  of a path from the root
 */
export function withinSite(page, text, isPart) {
  return text.replace(LINK, (whole, picture, words, path) => {
    if (picture !== "" || isPart(posix.normalize(posix.join(posix.dirname(page), path)))) return whole;
    return words;
  });
}

/** The anchor of a heading, as forges make it. @param {string} heading */
export function anchorOf(heading) {
  return heading
    .toLowerCase()
    .trim()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, "")
    .replaceAll(" ", "-");
}

/**
 * The groups of the navigation, out of the list of pages in `docs/README.md`.
 *
 * @param {string} list
 * @returns {{ text: string, items: { text: string, link: string }[] }[]}
 */
export function navigation(list) {
  return list
    .split(/^## /m)
    .slice(1)
    .map((part) => ({
      text: part.slice(0, part.indexOf("\n")).trim(),
      items: [...part.matchAll(/^- \[([^\]]+)\]\(([^)]+)\.md\)/gm)].map(([, text, path]) => ({
        text,
        link: `/docs/${path}`,
      })),
    }));
}

/**
 * Writes the pages and the generator's settings into an empty folder.
 *
 * @param {string} root   of the repository
 * @param {string} stage  is removed first
 */
export function stageSite(root, stage) {
  rmSync(stage, { recursive: true, force: true });
  const pages = [
    ...OUTSIDE,
    ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
      .map((path) => posix.join("docs", path.replaceAll("\\", "/")))
      .filter((path) => path.endsWith(".md")),
  ];
  const isPart = (path) =>
    pages.includes(path) ||
    (path.startsWith("docs/") && existsSync(join(root, path)) && statSync(join(root, path)).isFile());
  for (const page of pages) {
    const target = join(stage, page);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, withinSite(page, readFileSync(join(root, page), "utf8"), isPart));
  }
  cpSync(join(root, "docs/images"), join(stage, "docs/images"), { recursive: true });
  mkdirSync(join(stage, ".vitepress"), { recursive: true });
  const groups = navigation(readFileSync(join(root, "docs/README.md"), "utf8"));
  writeFileSync(join(stage, ".vitepress/config.mjs"), configText(groups));
}

/** @param {ReturnType<typeof navigation>} groups */
function configText(groups) {
  return `const anchorOf = ${anchorOf.toString()};
export default {
  title: "albert-serve",
  description: "Serves, trains and hot-swaps ALBERT models.",
  cleanUrls: false,
  rewrites: { "README.md": "index.md", "docs/README.md": "docs/index.md" },
  markdown: { anchor: { slugify: anchorOf } },
  themeConfig: {
    nav: [{ text: "Documentation", link: "/docs/" }, { text: "Changes", link: "/CHANGELOG" }],
    sidebar: ${JSON.stringify(groups, null, 2)},
    search: { provider: "local" },
    outline: [2, 3],
  },
};
`;
}
