import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GOLDEN_RUNS, prepareGoldenRun, trainGoldenRun } from "../../test/distributed/golden-runs.ts";

// Makes `distributed/tests/goldens` anew: node --import tsx scripts/goldens/distributed.ts

const directory = join(import.meta.dirname, "../../distributed/tests/goldens");
await rm(directory, { recursive: true, force: true });
await mkdir(directory, { recursive: true });
for (const name of GOLDEN_RUNS) {
  const work = join(directory, `${name}.work`);
  const run = await prepareGoldenRun(name, join(directory, name), work);
  await run.write(join(directory, name));
  const expected = await trainGoldenRun(run);
  await run.close();
  await rm(work, { recursive: true });
  await writeFile(join(directory, name, "expected.json"), `${JSON.stringify(expected)}\n`);
  process.stdout.write(`${name}: ${expected.losses[0]} to ${expected.losses.at(-1)}\n`);
}
