import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import { runAlbert } from "../support/command-line.ts";
import { workshop } from "../support/stores.ts";

const { path, modelDirectory } = workshop();

it("albert store verify tells what is damaged, and its exit status with it", async () => {
  const place = path("store");
  const store = await openStore(place);
  const { files } = await store.versions.publish("m", await modelDirectory());
  await store.close();
  expect((await runAlbert("store", "verify", place)).out).toMatch(
    /^1 versions, 0 data sets, \d files .* read: all sound\n$/,
  );

  const { sha256 } = files["model.safetensors"]!;
  const blob = join(place, "objects/blobs", sha256.slice(0, 2), sha256);
  const bytes = readFileSync(blob);
  bytes[3]! ^= 1;
  rmSync(blob);
  writeFileSync(blob, bytes);
  const json = await runAlbert("store", "verify", place, "--json");
  expect(JSON.parse(json.out).problems).toMatchObject([{ where: `file ${sha256.slice(0, 12)} of version m@1` }]);
  const repaired = await runAlbert("store", "verify", place, "--repair");
  expect(repaired.out).toContain("moved into quarantine");
  expect([json.status, repaired.status]).toEqual([1, 1]);
  expect(readdirSync(join(place, "objects/quarantine"))).toHaveLength(1);
});

it("albert store verify asks which store", async () => {
  await expect(runAlbert("store", "verify")).rejects.toMatchObject({ violations: [{ field: "location" }] });
});
