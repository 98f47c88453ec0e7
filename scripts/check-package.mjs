// Checks the package as its users meet it: `npm pack`, then `npm install` of the result in an empty folder, with npm's own
// settings and nothing but the registry, and an answer from the installed command. `--node PATH` runs it on another Node.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { npm } from "./npm.mjs";

const root = join(import.meta.dirname, "..");
const { values } = parseArgs({ options: { node: { type: "string", multiple: true } } });
const nodes = values.node ?? [process.execPath];

const folder = mkdtempSync(join(tmpdir(), "albert-package-"));
try {
  execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, stdio: "inherit" });
  const [packed] = JSON.parse(npm(["pack", "--json", "--pack-destination", folder], { cwd: root, stdio: "pipe" }));
  console.log(`npm pack: ${packed.filename}, ${(packed.size / 1e6).toFixed(0)} MB`);
  const empty = join(folder, "empty");
  mkdirSync(empty);
  // From outside, and without what npm hands down to the scripts it runs: else this checkout's settings would count too.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(?!execpath)/i.test(name)));
  npm(["install", "--loglevel=warn", join(folder, packed.filename)], { cwd: empty, env });
  for (const node of nodes) {
    const path = [dirname(node), process.env.PATH].join(delimiter);
    const model = join(empty, "node_modules/albert-serve/models/sentiment");
    const args = ["classify", "--model", model, "A gripping, honest film."];
    const said = execFileSync(join(empty, "node_modules/.bin/albert"), args, {
      env: { ...env, PATH: path },
    }).toString();
    if (!/^ *9\d\.\d % {2}positive$/m.test(said)) throw new Error(`the installed albert said: ${said}`);
    const version = execFileSync(node, ["--version"]).toString().trim();
    console.log(`the installed package classifies on Node ${version}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
