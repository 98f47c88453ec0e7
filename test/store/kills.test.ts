import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { Uploads } from "../../src/store/uploads.ts";
import { expectSound } from "../support/sound.ts";
import { workshop } from "../support/stores.ts";
import { type Acknowledged, contentOf, KEPT, MODEL, openStoreAt, upload } from "./store-worker.ts";

/** How often the process is killed; ALBERT_TEST_STORE_KILLS says how often instead. */
const KILLS = Number(process.env["ALBERT_TEST_STORE_KILLS"] ?? 6);
/** About as long as the process needs for two rounds of all that it does. */
const WITHIN_MS = 250;

const { path, modelDirectory } = workshop();
const [place, arriving] = [path("store"), path("uploads")];

it(`a store whose writer is killed ${KILLS} times at random instants keeps all it acknowledged, whole and once`, {
  timeout: 60_000 + KILLS * 10_000,
}, async () => {
  const directories = await Promise.all(Array.from({ length: 6 }, () => modelDirectory()));
  let champion = { version: 0, generation: 0 };
  const hits = new Map<string, number>();
  for (let kill = 0; kill < KILLS; kill++) {
    const acknowledged = await workUntilKilled(2 * kill, directories);
    const last = acknowledged.at(-1)?.kind ?? "nothing";
    hits.set(last, (hits.get(last) ?? 0) + 1);
    const store = await openStoreAt(place, 2 * kill + 1);
    const uploads = new Uploads({ directory: arriving, datasets: store.datasets, maxBytes: 1e6 });
    const present = new Map((await store.versions.list(MODEL)).map(({ version, digest }) => [version, digest]));
    const digests = [...present.values()];
    expect(digests).toHaveLength(new Set(digests).size); // none is there twice
    const collected = new Set(acknowledged.flatMap((each) => (each.kind === "collected" ? each.versions : [])));
    for (const version of collected) expect(present.has(version)).toBe(false);
    for (const each of acknowledged) {
      if (each.kind === "promoted") champion = each;
      if (each.kind === "uploaded") await readFile(await store.datasets.materialise(each.digest));
    }
    // The newest that was acknowledged is there, whatever a collection that was under way removed.
    const published = acknowledged.flatMap((each) => (each.kind === "published" ? [each] : []));
    for (const { version, digest } of published.slice(-KEPT)) {
      if (!collected.has(version)) expect(present.get(version)).toBe(digest);
    }
    const now = (await store.aliases.get(MODEL, "champion"))!;
    // One more promotion may have been done and not acknowledged.
    expect([champion.generation, champion.generation + 1]).toContain(now.generation);
    if (now.generation === champion.generation) expect(now.version).toBe(champion.version);
    champion = now;
    await expectSound(store, MODEL);
    expect((await store.verify(false)).problems).toEqual([]);
    // What had half arrived goes on, and what had arrived is not sent again.
    const round = acknowledged.filter(({ kind }) => kind === "uploaded").length;
    const content = contentOf(2 * kill, round);
    expect(await readFile(await store.datasets.materialise(await upload(uploads, content)))).toEqual(content);
    await store.collectGarbage({ keepVersions: KEPT, keepAliasChanges: 1 });
    await expectSound(store, MODEL);
    await store.close();
  }
  console.info(`${KILLS} kills; what was acknowledged last: ${[...hits].join(", ")}`);
});

/** Lets a process work on the store and kills it at a random instant. @returns what was acknowledged to it */
async function workUntilKilled(turn: number, directories: readonly string[]): Promise<Acknowledged[]> {
  const script = join(import.meta.dirname, "store-worker.ts");
  const args = ["--import", "tsx", script, place, arriving, String(turn), ...directories];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const told = text(child.stdout);
  await once(child.stdout, "readable");
  await setTimeout(Math.random() * WITHIN_MS);
  child.kill("SIGKILL");
  await once(child, "exit");
  const lines = (await told).split("\n").slice(0, -1); // the last one is empty, or cut off
  return lines.map((line) => JSON.parse(line) as Acknowledged);
}
