// Which packages of the lock file reach users: those of production, and those that are built into the console's page. The rest
// only builds and tests.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { INSTALL_SCRIPT_ONLY } from "../carried-runtime.mjs";

/** The project's own folder. */
export const ROOT = join(import.meta.dirname, "../..");

/** The lock file as npm wrote it. */
export function readLock() {
  return JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
}

/** Packages that the console's sources import: the build puts them into its page. */
export function consolePackages() {
  const folder = join(ROOT, "src/console");
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => /\.tsx?$/.test(path));
  const imports = sources.flatMap((path) => [
    ...readFileSync(join(folder, path), "utf8").matchAll(/\bfrom "((?:@[^/"]+\/)?[^./"][^/"]*)/g),
  ]);
  return [...new Set(imports.map(([, name]) => name))].sort();
}

/**
 * The packages that reach users, by their place in the lock file.
 *
 * @returns each place, such as "node_modules/zod", with the package's name, its entry, and whether only the console's page has it
 */
export function shippedPackages(lock = readLock()) {
  const production = productionPackages(lock);
  const page = reachable(lock, consolePackages());
  return [...new Set([...production, ...page])].sort().map((path) => ({
    path,
    name: path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length),
    entry: lock.packages[path],
    onlyPage: !production.has(path),
  }));
}

function productionPackages(lock, leftOut = INSTALL_SCRIPT_ONLY) {
  const { dependencies, optionalDependencies } = lock.packages[""];
  return reachable(lock, Object.keys({ ...dependencies, ...optionalDependencies }), leftOut);
}

/** Places of the packages that `npm ci --omit=dev` installs for ONNX Runtime's install script alone, which never runs here. */
export function installScriptPackages(lock = readLock()) {
  const needed = productionPackages(lock);
  return [...productionPackages(lock, [])].filter((path) => !needed.has(path)).sort();
}

/**
 * Places of these packages of the project and of all that they need; optional ones that the lock leaves out are not there.
 *
 * @param leftOut  what ONNX Runtime names as needed, and is not followed
 */
function reachable(lock, names, leftOut = []) {
  const found = new Set();
  const visit = (from, name) => {
    const path = placeOf(lock, from, name);
    if (path === undefined || found.has(path)) return;
    found.add(path);
    const { dependencies, optionalDependencies, peerDependencies } = lock.packages[path];
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      if (!(path.endsWith("node_modules/onnxruntime-node") && leftOut.includes(needed))) visit(path, needed);
    }
  };
  for (const name of names) visit("", name);
  return found;
}

/** Where the package at `from` finds `name`: in its own folder of packages, or in one above it. */
function placeOf({ packages }, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("node_modules/") - 1))) {
    const path = `${at === "" ? "" : `${at}/`}node_modules/${name}`;
    if (packages[path] !== undefined) return path;
    if (at === "") return undefined;
  }
}
