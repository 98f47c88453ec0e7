import { openStore } from "../../src/store/open-store.ts";

/** Publishes the directories of its command line to a store over and over, and promotes each, until it is killed. */
const [storeDirectory, ...directories] = process.argv.slice(2);
const store = await openStore(storeDirectory!);
for (let round = 0; ; round++) {
  const { version } = await store.versions.publish("m", directories[round % directories.length]!);
  await store.aliases.point("m", version, { reason: `round ${round}` });
  process.stdout.write(`${version}\n`);
}
