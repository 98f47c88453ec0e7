// Kills and suspends the owners of jobs again and again, on real servers that share a queue: three of them, a store in a directory and one on S3 (a
// real S3 server where versitygw or minio is installed, else that of the tests). Each job must end once, in the bytes of the job that was
// left in peace, be published once, and have a log without gap or fork. It says what was done to whom, and ends with another status than 0 otherwise.
//
//   node scripts/queue-soak.mjs [TIMES] [directory|s3]      30 times on each unless given; some ten seconds each time
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const [times = "30", kind] = process.argv.slice(2);
const FILTERS = { directory: "in a directory", s3: "on S3" };
if (!/^[1-9]\d{0,3}$/.test(times) || (kind !== undefined && !Object.hasOwn(FILTERS, kind))) {
  console.error("queue-soak: expected [TIMES] [directory|s3], such as: 30 s3");
  process.exit(2);
}
const root = join(import.meta.dirname, "..");
const run = (...args) => {
  const environment = { ...process.env, QUEUE_DISTURBANCES: times };
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit", env: environment });
  if (status !== 0) process.exit(status ?? 1);
};
run("scripts/build.mjs");
const filter = kind === undefined ? [] : ["-t", FILTERS[kind]];
run("node_modules/vitest/vitest.mjs", "run", "test/e2e/shared-queue.test.ts", ...filter);
