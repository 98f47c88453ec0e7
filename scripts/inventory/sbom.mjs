// The software bill of materials: npm's own CycloneDX document of the lock file, cut down to what reaches users, with the bundled
// models added. The same lock file and models give the same bytes: no time, no random number.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { npm } from "../npm.mjs";
import { ROOT, shippedPackages } from "./shipped-packages.mjs";

/** The document as an object, CycloneDX 1.5. @throws Error when npm cannot make it */
export function makeSbom() {
  const made = JSON.parse(
    npm(["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"], { cwd: ROOT, stdio: "pipe" }),
  );
  const shipped = new Map(shippedPackages().map((each) => [`${each.name}@${each.entry.version}`, each]));
  const { component } = made.metadata;
  const models = bundledModels();
  const document = {
    bomFormat: made.bomFormat,
    specVersion: made.specVersion,
    version: 1,
    metadata: {
      lifecycles: [{ phase: "build" }],
      component: { ...component, type: "application", name: "albert-serve" },
    },
    components: [...new Map(made.components.map((each) => [each["bom-ref"], each])).values()]
      .filter((each) => shipped.has(each["bom-ref"]))
      .map((each) => withPlace(each, shipped.get(each["bom-ref"])))
      .concat(models)
      .sort((a, b) => (a["bom-ref"] < b["bom-ref"] ? -1 : 1)),
    dependencies: made.dependencies
      .filter(({ ref }) => ref === component["bom-ref"] || shipped.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((needed) => shipped.has(needed)).sort() }))
      .map((each) => (each.ref === component["bom-ref"] ? withModels(each, models) : each))
      .sort((a, b) => (a.ref < b.ref ? -1 : 1)),
  };
  return { $schema: made.$schema, serialNumber: serialOf(document), ...document };
}

/** Packages that only the console's page holds say so: no folder of packages has them. */
function withPlace(component, { onlyPage }) {
  if (!onlyPage) return component;
  return { ...component, properties: [...component.properties, { name: "albert:built-into", value: "dist/console" }] };
}

function withModels({ ref, dependsOn }, models) {
  return { ref, dependsOn: [...dependsOn, ...models.map((model) => model["bom-ref"])] };
}

/** The models that come with the program, by their manifests, which hold the digests of all their files; their cards (models/README.md) have the terms of their data. */
function bundledModels() {
  const folder = join(ROOT, "models");
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const content = createHash("sha256")
        .update(readFileSync(join(folder, name, "manifest.json")))
        .digest("hex");
      return {
        "bom-ref": `model:${name}`,
        type: "machine-learning-model",
        name,
        version: content.slice(0, 12),
        properties: [{ name: "albert:file", value: `models/${name}/manifest.json` }],
        hashes: [{ alg: "SHA-256", content }],
      };
    });
}

/** A serial number that follows from the content, in the form that the format wants. */
function serialOf(document) {
  const digest = createHash("sha256").update(JSON.stringify(document)).digest("hex");
  const groups = [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `8${digest.slice(13, 16)}`,
    `8${digest.slice(17, 20)}`,
    digest.slice(20, 32),
  ];
  return `urn:uuid:${groups.join("-")}`;
}
