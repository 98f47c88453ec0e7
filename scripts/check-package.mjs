// Checks the packages as their users meet them: `npm pack`, then `npm install` of the result in an empty folder, with npm's own
// settings and nothing but the registry. The whole one must give an answer from the installed command, the client's must be small
// and must load. `--node PATH` runs them on another Node, and may be given several times.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { INSTALL_SCRIPT_ONLY } from "./carried-runtime.mjs";
import { buildClient } from "./client-package.mjs";
import { npm } from "./npm.mjs";

const MOST_CLIENT_KILOBYTES = 5000;

const root = join(import.meta.dirname, "..");
const { values } = parseArgs({ options: { node: { type: "string", multiple: true } } });
const nodes = values.node ?? [process.execPath];

const folder = mkdtempSync(join(tmpdir(), "albert-package-"));
try {
  execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, stdio: "inherit" });
  // From outside, and without what npm hands down to the scripts it runs: else this checkout's settings would count too.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(?!execpath)/i.test(name)));
  const install = (source, name) => {
    const empty = join(folder, name);
    mkdirSync(empty);
    // Both are built already.
    const options = ["--json", "--ignore-scripts", "--pack-destination", folder];
    const [packed] = JSON.parse(npm(["pack", ...options], { cwd: source, stdio: "pipe" }));
    console.log(`npm pack: ${packed.filename}, ${(packed.size / 1e6).toFixed(1)} MB`);
    npm(["install", "--loglevel=warn", join(folder, packed.filename)], { cwd: empty, env });
    return empty;
  };
  const empty = install(root, "whole");
  const needless = INSTALL_SCRIPT_ONLY.filter((name) => existsSync(join(empty, "node_modules", name)));
  if (needless.length > 0) throw new Error(`the package brings ${needless.join(" and ")}, which nothing in it loads`);
  await buildClient(join(folder, "client-source"));
  const client = install(join(folder, "client-source"), "client");
  const kilobytes = Number(/^\d+/.exec(execFileSync("du", ["-sk", join(client, "node_modules")]).toString())[0]);
  console.log(`the client's package: ${(kilobytes / 1000).toFixed(1)} MB installed`);
  if (kilobytes > MOST_CLIENT_KILOBYTES) throw new Error(`the client's package takes ${kilobytes} KB installed`);
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
    const load = 'const { connectAlbert } = await import("albert-serve-client"); connectAlbert("127.0.0.1:1").close();';
    execFileSync(node, ["--input-type=module", "--eval", load], { cwd: client });
    console.log(`the installed client loads on Node ${version}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
