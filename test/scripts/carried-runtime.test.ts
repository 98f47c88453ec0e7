import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
// @ts-expect-error a plain script has no types
import { carryRuntime } from "../../scripts/carried-runtime.mjs";

const root = mkdtempSync(join(tmpdir(), "albert-carried-"));
const runtime = join(root, "node_modules/onnxruntime-node");
afterAll(() => rmSync(root, { recursive: true }));

it("what the package carries of ONNX Runtime has no install script, and needs no package for one", () => {
  const installed = join(import.meta.dirname, "../../node_modules/onnxruntime-node/package.json");
  const version: string = JSON.parse(readFileSync(installed, "utf8")).version;
  mkdirSync(runtime, { recursive: true });
  const published = {
    name: "onnxruntime-node",
    version,
    main: "dist/index.js",
    scripts: { postinstall: "node ./script/install" },
    dependencies: { "adm-zip": "^0.6.0", "global-agent": "^4.1.3", "onnxruntime-common": version },
    devDependencies: { long: "^5.0.0" },
  };
  writeFileSync(join(runtime, "package.json"), JSON.stringify(published));
  carryRuntime(root);
  const carried = readFileSync(join(runtime, "package.json"), "utf8");
  expect(JSON.parse(carried)).toEqual({
    name: "onnxruntime-node",
    version,
    main: "dist/index.js",
    files: ["bin", "dist"],
    dependencies: { "onnxruntime-common": version },
  });
  carryRuntime(root); // a second build finds it done
  expect(readFileSync(join(runtime, "package.json"), "utf8")).toBe(carried);
});

it("the project's package is made to carry it", () => {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"));
  expect(manifest.bundleDependencies).toEqual(["onnxruntime-node"]);
});
