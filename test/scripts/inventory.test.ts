import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
// @ts-expect-error a plain script has no types
import { installScriptPackages } from "../../scripts/inventory/shipped-packages.mjs";

const root = join(import.meta.dirname, "../..");
const text = (path: string) => readFileSync(join(root, path), "utf8");

interface LockEntry {
  dependencies?: Record<string, string>;
  version: string;
  dev?: boolean;
  devOptional?: boolean;
  peer?: boolean;
  license?: string;
  integrity: string;
}

interface Component {
  name: string;
  version: string;
  type: string;
  purl?: string;
  hashes: { alg: string; content: string }[];
  licenses?: unknown[];
  properties: { name: string; value: string }[];
}

const lock: { packages: Record<string, LockEntry> } = JSON.parse(text("package-lock.json"));
const sbom: { components: Component[]; dependencies: { ref: string; dependsOn: string[] }[]; specVersion: string } =
  JSON.parse(text("sbom.cdx.json"));
const licences = text("THIRD_PARTY_LICENSES.md");

/** What only the install script of ONNX Runtime would load, which the package, the image and the bundle are without. */
const leftOut: readonly string[] = installScriptPackages();

/** What npm itself marks as not only for development, by its own walk of the tree. */
const production = Object.entries(lock.packages)
  .filter(([path, { dev, devOptional, peer }]) => path.includes("node_modules/") && !dev && !devOptional && !peer)
  .filter(([path]) => !leftOut.includes(path))
  .map(([path, entry]) => ({ name: path.split("node_modules/").at(-1)!, entry }));
const packages = sbom.components.filter(({ type }) => type === "library");
const inPage = packages.filter(({ properties }) => properties.some(({ name }) => name === "albert:built-into"));

it("the bill of materials has every production package of the lock file, with the digest that the lock has", () => {
  expect(sbom.specVersion).toBe("1.5");
  const listed = packages.filter((each) => !inPage.includes(each));
  expect(listed.map(({ name, version }) => `${name}@${version}`).sort()).toEqual(
    [...new Set(production.map(({ name, entry }) => `${name}@${entry.version}`))].sort(),
  );
  for (const { name, entry } of production) {
    const component = listed.find((each) => each.name === name && each.version === entry.version);
    const digest = Buffer.from(entry.integrity.replace("sha512-", ""), "base64").toString("hex");
    expect(component?.hashes).toEqual([{ alg: "SHA-512", content: digest }]);
  }
});

it("leaves out what only ONNX Runtime's install script would load, and nothing that a package of production needs", () => {
  expect(leftOut).toEqual(expect.arrayContaining(["node_modules/adm-zip", "node_modules/global-agent"]));
  const needed = Object.entries(lock.packages).filter(([path]) => !leftOut.includes(path));
  for (const [path, entry] of needed) {
    if (path.endsWith("node_modules/onnxruntime-node") || entry.dev || path === "") continue;
    const names = Object.keys({ ...entry.dependencies });
    expect(
      names.filter((name) => leftOut.includes(`node_modules/${name}`)),
      path,
    ).toEqual([]);
  }
});

it("names what the build puts into the console's page, which no folder of packages has", () => {
  expect(inPage.map(({ name }) => name).sort()).toEqual(["@connectrpc/connect-web", "preact", "uplot"]);
});

it("has the bundled models with the digests of their manifests, which hold those of their files", () => {
  const models = sbom.components.filter(({ type }) => type === "machine-learning-model");
  expect(models.map(({ name }) => name)).toEqual([
    "multiple-choice",
    "natural-language-inference",
    "question-answering",
    "sentence-encoder",
    "sentiment",
  ]);
  for (const { name, hashes } of models) {
    const content = createHash("sha256").update(readFileSync(join(root, `models/${name}/manifest.json`)));
    expect(hashes, "run npm run inventory").toEqual([{ alg: "SHA-256", content: content.digest("hex") }]);
  }
});

it("depends on nothing that it does not list", () => {
  const refs = new Set(["albert-serve@0.1.0", ...sbom.dependencies.map(({ ref }) => ref)]);
  const models = new Set(sbom.components.filter(({ purl }) => purl === undefined).map(({ name }) => `model:${name}`));
  for (const { dependsOn } of sbom.dependencies) {
    for (const needed of dependsOn) expect(refs.has(needed) || models.has(needed), needed).toBe(true);
  }
});

it("every package that reaches users stands in the file of licences with its licence", () => {
  for (const { name, version, licenses } of packages) {
    expect(licenses, name).toHaveLength(1);
    const row = licences.split("\n").find((line) => new RegExp(`^\\| ${name} ${version}[ |]`).test(line));
    const stated = Object.values(lock.packages).find(
      (entry, i) => Object.keys(lock.packages)[i]!.endsWith(`node_modules/${name}`) && entry.version === version,
    )?.license;
    expect(row, `${name} ${version}: run npm run inventory`).toContain(`| ${stated} |`);
  }
  expect(licences).toContain("Permission is hereby granted, free of charge");
});

it("says nothing of the machine that made it", () => {
  expect(text("sbom.cdx.json")).not.toMatch(/timestamp|\/work\/|\/home\/|localhost/);
});
