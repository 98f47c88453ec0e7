// Makes the installed ONNX Runtime fit to be carried inside this project's own package. As published it runs an install script
// that fetches CUDA libraries from outside the package registry, which fails wherever only the registry can be reached; the
// script, and the two packages that only it uses, are taken out. What computes is left byte for byte as it was.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What ONNX Runtime names as needed for its install script alone. */
export const INSTALL_SCRIPT_ONLY = ["adm-zip", "global-agent"];

/** Rewrites `node_modules/onnxruntime-node/package.json` below this directory, unless that is done. */
export function carryRuntime(root) {
  const path = join(root, "node_modules/onnxruntime-node/package.json");
  const manifest = JSON.parse(readFileSync(path, "utf8"));
  const { scripts, devDependencies, dependencies, ...kept } = manifest;
  if (scripts === undefined) return;
  const carried = {
    ...kept,
    files: ["bin", "dist"],
    dependencies: Object.fromEntries(
      Object.entries(dependencies).filter(([name]) => !INSTALL_SCRIPT_ONLY.includes(name)),
    ),
  };
  // Next to it and then in its place: the file may be one with that of another checkout.
  writeFileSync(`${path}.new`, `${JSON.stringify(carried, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}
