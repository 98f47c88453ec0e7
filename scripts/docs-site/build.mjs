// Makes a site of the documentation in site/. The generator is no dependency: npx fetches it, once, into npm's own cache. Arguments
// are the generator's: `npm run docs:site -- --base /albert-serve/` for a site that is not at the root of its host.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { stageSite } from "./stage.mjs";

/** The newest that runs on Node 20.12. A link of a page that leads nowhere ends it with an error. */
const GENERATOR = "vitepress@1.6.4";

const root = join(import.meta.dirname, "../..");
const stage = join(root, ".cache/docs-site");
stageSite(root, stage);
const { status, error } = spawnSync(
  process.platform === "win32" ? "npx.cmd" : "npx",
  ["--yes", GENERATOR, "build", stage, "--outDir", join(root, "site"), ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit", shell: process.platform === "win32" },
);
if (error !== undefined) throw error;
if (status === 0) console.log("site/index.html");
process.exitCode = status ?? 1;
