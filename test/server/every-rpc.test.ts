import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { InferenceService } from "../../src/gen/albert/v1/inference_pb.js";
import { ModelService } from "../../src/gen/albert/v1/models_pb.js";
import { DatasetService, TrainingService } from "../../src/gen/albert/v1/training_pb.js";

const root = join(import.meta.dirname, "../..");
const SERVICES: readonly DescService[] = [InferenceService, ModelService, DatasetService, TrainingService];
const METHODS = SERVICES.flatMap((service) => service.methods);

const e2e = readdirSync(join(root, "test/e2e"))
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => readFileSync(join(root, "test/e2e", name), "utf8"))
  .join("\n");

describe("every RPC of the contract", () => {
  it("is among the services of this list", () => {
    const declared = readdirSync(join(root, "proto/albert/v1"))
      .flatMap((name) => [...readFileSync(join(root, "proto/albert/v1", name), "utf8").matchAll(/^service (\w+)/gm)])
      .map(([, name]) => name);
    expect(SERVICES.map(({ name }) => name).sort()).toEqual(declared.sort());
  });

  it("is called by a test over a real connection", () => {
    const uncalled = METHODS.filter(
      ({ localName, name }) =>
        !new RegExp(`\\.${localName}\\(|\\bmethod\\.${localName}\\b|"${name}"|/${name}\\b`).test(e2e),
    );
    expect(uncalled.map(({ parent, name }) => `${parent.name}.${name}`)).toEqual([]);
  });

  it("is described in docs/api.md", () => {
    const page = readFileSync(join(root, "docs/api.md"), "utf8");
    expect(METHODS.filter(({ name }) => !new RegExp(`\\b${name}\\b`).test(page)).map(({ name }) => name)).toEqual([]);
  });
});
