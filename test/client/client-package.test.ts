import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, it } from "vitest";
import * as source from "../../src/client/albert-client.ts";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { runServer } from "../support/running-server.ts";

const root = join(import.meta.dirname, "../..");
const built = join(root, `.cache/client-package-${process.pid}`);
afterAll(() => rmSync(built, { recursive: true, force: true }));

const manifest = (path: string) => JSON.parse(readFileSync(join(root, path, "package.json"), "utf8"));

it("the client's package, built from the same sources, has the same API and needs nothing but its own dependencies", async () => {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [compiler, "-p", join(root, "packages/client"), "--outDir", built]);
  const files = readdirSync(built, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".js"));
  const imported = files.flatMap((path) =>
    [...readFileSync(join(built, path), "utf8").matchAll(/from "((?!\.|node:)(?:@[^/"]+\/)?[^/"]+)/g)].map(
      ([, name]) => name!,
    ),
  );
  const { dependencies } = manifest("packages/client");
  expect([...new Set(imported)].sort()).toEqual(Object.keys(dependencies).sort());

  const client: typeof source = await import(pathToFileURL(join(built, "client/albert-client.js")).href);
  expect(Object.keys(client).sort()).toEqual(Object.keys(source).sort());
  const server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }] });
  const albert = client.connectAlbert(server.address);
  try {
    const { labels } = await albert.classify({ text: "a cat", options: { head: "sentiment" } });
    expect(labels).toHaveLength(2);
    await expect(albert.encode({ text: "" })).rejects.toMatchObject({ name: "CallError", reason: "FIELD_INVALID" });
  } finally {
    albert.close();
    await server.close();
  }
}, 120_000);

it("has the version, and the versions of dependencies, of the whole package", () => {
  const [whole, client] = [manifest("."), manifest("packages/client")];
  expect(client.version).toBe(whole.version);
  for (const [name, version] of Object.entries(client.dependencies)) expect(whole.dependencies[name]).toBe(version);
});
