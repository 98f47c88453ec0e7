import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { InferenceService } from "../../src/gen/albert/v1/inference_pb.js";
import { ModelService } from "../../src/gen/albert/v1/models_pb.js";
import { SearchService } from "../../src/gen/albert/v1/search_pb.js";
import { DatasetService, TrainingService } from "../../src/gen/albert/v1/training_pb.js";
import { ADMIN_ERROR_ROWS } from "../../src/server/errors/admin-error-table.ts";
import { callErrors, EVERY_CALL } from "../../src/server/errors/call-errors.ts";
import { ERROR_ROWS } from "../../src/server/errors/error-table.ts";

const root = join(import.meta.dirname, "../..");
const SERVICES: readonly DescService[] = [
  InferenceService,
  SearchService,
  ModelService,
  DatasetService,
  TrainingService,
];
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

  it("has a list of the reasons it fails with, all of them known and none forgotten", () => {
    const calls = callErrors();
    expect(calls.map(({ service, call }) => `${service}.${call}`).sort()).toEqual(
      METHODS.map(({ parent, name }) => `${parent.name}.${name}`).sort(),
    );
    const listed = new Set([...EVERY_CALL, ...calls.flatMap(({ reasons }) => reasons)]);
    const known = [...ERROR_ROWS, ...ADMIN_ERROR_ROWS].map(({ reason }) => reason);
    const ofHealth = "SERVICE_NOT_FOUND"; // a call of the health service, which is not ours
    expect([...listed, ofHealth].sort()).toEqual([...known].sort());
  });
});
