// Makes the bundle for a machine without a network: one tar file with the built program, its production packages for a named
// platform, the bundled models, the bill of materials, and the digest of every file.
//
//   npm run bundle -- [--platform linux-x64] [--cuda] [--output FILE]
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { addCudaProvider } from "../cuda-provider.mjs";
import { collect } from "../docker/collect.mjs";

const root = join(import.meta.dirname, "../..");
/** File in the bundle with the digest of each other file, in the form of `sha256sum --check`. */
const SUMS = "SHA256SUMS";

/** The digests of all files below a folder, sorted by path, one line each. */
export function sumsOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => path !== join(folder, SUMS))
    .map((path) => [path.slice(folder.length + 1).replaceAll("\\", "/"), path])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, path]) => `${createHash("sha256").update(readFileSync(path)).digest("hex")}  ${name}\n`)
    .join("");
}

function main() {
  const { values } = parseArgs({
    options: {
      platform: { type: "string", default: `${process.platform}-${process.arch}` },
      cuda: { type: "boolean", default: false },
      output: { type: "string" },
    },
  });
  if (values.cuda && values.platform !== "linux-x64") throw new Error("CUDA libraries exist for linux-x64 alone");
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const name = `albert-serve-${version}-${values.platform}${values.cuda ? "-cuda" : ""}`;
  const output = resolve(values.output ?? `${name}.tar.gz`);
  execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { cwd: root, stdio: "inherit" });
  mkdirSync(join(root, ".cache"), { recursive: true });
  const work = mkdtempSync(join(root, ".cache/bundle-"));
  try {
    const folder = join(work, name);
    collect(folder, values.platform);
    if (values.cuda) addCudaProvider(folder);
    writeFileSync(join(folder, SUMS), sumsOf(folder));
    // Named without its folder: tar takes what stands before a colon, as in C:\, for another machine.
    execFileSync("tar", ["-czf", `${name}.tar.gz`, name], { cwd: work });
    mkdirSync(dirname(output), { recursive: true });
    const packed = readFileSync(join(work, `${name}.tar.gz`));
    writeFileSync(output, packed);
    const digest = createHash("sha256").update(packed).digest("hex");
    writeFileSync(`${output}.sha256`, `${digest}  ${basename(output)}\n`);
    console.log(`${output}: ${(packed.length / 1e6).toFixed(0)} MB, sha256 ${digest}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    main();
  } catch (error) {
    console.error(`bundle: ${error.message}`);
    process.exitCode = 1;
  }
}
