import { describe, expect, it } from "vitest";
import { Deployment } from "../../src/deployment/deployment.ts";
import type { VersionSource } from "../../src/serving/models/loader.ts";
import type { ModelRegistry } from "../../src/serving/models/registry.ts";
import { openStore } from "../../src/store/open-store.ts";
import { workshop } from "../store/stores.ts";

const { path, modelDirectory } = workshop();
let made = 0;

/** A deployment over a store with three versions, of which the second serves; versions that fail to load can be named. */
async function deployed() {
  const store = await openStore(path(`deployed-${made++}`));
  for (let i = 0; i < 3; i++) await store.versions.publish("m", await modelDirectory());
  const failing = new Set<string>();
  const loaded = new Set<string>();
  let current = "";
  const live = {
    list: () => [{ name: "m", current, versions: [...loaded].map((version) => ({ version })) }],
    load: async ({ version }: VersionSource) => {
      if (failing.has(version)) throw new Error(`version ${version} is damaged`);
      loaded.add(version);
    },
    unload: async (_: string, version: string) => void loaded.delete(version),
    activate: (_: string, version: string) => {
      const from = current;
      current = version;
      return { drained: Promise.resolve(), report: () => ({ from, to: version }) };
    },
    status: () => ({ lastSwap: undefined }),
  } as unknown as ModelRegistry;
  // `live` opens nothing.
  const prepareModel = () => Promise.reject(new Error("a version was opened"));
  const deployment = new Deployment({ store, live, prepareModel, serves: true, pollMs: 60_000, onError: () => {} });
  const override = { overrideGate: true, reason: "a test" };
  await deployment.promote("m", 1, { expectedGeneration: 0, ...override });
  await deployment.promote("m", 2, { expectedGeneration: 1, ...override });
  const champion = async () => (await store.aliases.get("m", "champion"))!;
  return { deployment, champion, failing, loaded, serving: () => current };
}

describe("a deployment", () => {
  it("rolls back to what served before", async () => {
    const { deployment, champion, serving } = await deployed();
    const { alias, report } = await deployment.rollback("m", { expectedGeneration: 2, reason: "" });
    expect(alias).toMatchObject({ version: 1, generation: 3, reason: "rolled back" });
    expect(report).toMatchObject({ from: "2", to: "1" });
    expect([(await champion()).version, serving()]).toEqual([1, "1"]);
    await deployment.close();
  });

  it("changes nothing when the version to go back to cannot be brought up", async () => {
    const { deployment, champion, failing, serving } = await deployed();
    failing.add("1");
    await expect(deployment.rollback("m", { expectedGeneration: 2, reason: "" })).rejects.toThrow("damaged");
    expect(await champion()).toMatchObject({ version: 2, generation: 2 });
    expect(serving()).toBe("2");
    await deployment.close();
  });

  it("leaves nothing in memory of a change that somebody else came before", async () => {
    const { deployment, champion, loaded } = await deployed();
    loaded.delete("1");
    const stale = deployment.rollback("m", { expectedGeneration: 1, reason: "" });
    await expect(stale).rejects.toMatchObject({ reason: "GENERATION_MISMATCH" });
    expect([...loaded]).toEqual(["2"]);
    expect((await champion()).version).toBe(2);
    await deployment.close();
  });

  it("asks for no gate to let go on what serves already", async () => {
    const { deployment } = await deployed();
    const promoted = await deployment.promote("m", 2, { expectedGeneration: 2, overrideGate: false, reason: "" });
    expect(promoted.alias).toMatchObject({ version: 2, generation: 3 });
    const other = deployment.promote("m", 3, { expectedGeneration: 3, overrideGate: false, reason: "" });
    await expect(other).rejects.toMatchObject({ reason: "GATE_FAILED" });
    await deployment.close();
  });
});
