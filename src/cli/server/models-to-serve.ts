import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { ModelToServe } from "../../app.ts";
import { AlbertError, invalidInput } from "../../errors.ts";
import { MANIFEST_FILE, parseManifest } from "../../model/directory/manifest.ts";

// Which models a server begins with: those that it is given, else those that come with the program.

/** What a served name may be made of: it appears in metrics, health checks and addresses. */
const MODEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Directory of the models that come with the program. */
const BUNDLED_MODELS = fileURLToPath(new URL("../../../models/", import.meta.url));

/**
 * The models that `models.load` names, else the bundled ones.
 *
 * @param entries  each `name=directory`, or a directory that brings its own name
 * @param hasStore whether a store may have models, so that none need be given
 * @throws AlbertError invalid-input CONFIG_INVALID for bad or repeated names, and paths where nothing is; precondition NO_MODEL when there is nothing
 */
export function modelsToServe(entries: readonly string[], hasStore = false): ModelToServe[] {
  const models = entries.length > 0 ? entries.map(parseEntry) : bundledModels();
  if (models.length === 0 && !hasStore) {
    throw new AlbertError("precondition", "there is no model to serve: give one with --model name=directory", {
      reason: "NO_MODEL",
    });
  }
  const violations = models.flatMap(({ name, directory }, i) => {
    if (!MODEL_NAME.test(name)) {
      return [
        { field: "models.load", description: `${JSON.stringify(name)} cannot be a name: use letters, digits, . _ -` },
      ];
    }
    if (!isThere(directory)) {
      return [
        {
          field: "models.load",
          description: `nothing is at ${directory}, from where ${name} is to be served: name a directory that is there`,
        },
      ];
    }
    const repeated = models.findIndex((other) => other.name === name) !== i;
    return repeated ? [{ field: "models.load", description: `two models are called ${name}: name them apart` }] : [];
  });
  if (violations.length > 0) {
    throw new AlbertError("invalid-input", invalidInput(violations).message, { reason: "CONFIG_INVALID", violations });
  }
  return models;
}

function parseEntry(entry: string): ModelToServe {
  const separator = entry.indexOf("=");
  if (separator >= 0) return { name: entry.slice(0, separator), directory: entry.slice(separator + 1) };
  return { name: ownName(entry), directory: entry };
}

/** The models that come with the program, in the order of their directories. */
export function bundledModels(): ModelToServe[] {
  if (!existsSync(BUNDLED_MODELS)) return [];
  return readdirSync(BUNDLED_MODELS)
    .sort()
    .map((entry) => join(BUNDLED_MODELS, entry))
    .filter((directory) => existsSync(join(directory, MANIFEST_FILE)))
    .map((directory) => ({ name: ownName(directory), directory }));
}

/** Whether anything is at a path, or it is the beginning of the names of a TensorFlow checkpoint. What it is shows when it is opened. */
function isThere(path: string): boolean {
  return existsSync(path) || existsSync(`${path}.index`);
}

/** The name in a directory's manifest; of a model without one that can be read, the name of the directory. */
function ownName(directory: string): string {
  try {
    return parseManifest(readFileSync(join(directory, MANIFEST_FILE))).name;
  } catch {
    return basename(resolve(directory));
  }
}
