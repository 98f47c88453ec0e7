import { DirectoryLock } from "../../../src/jobs/lock/directory-lock.ts";

/** Takes the lock of its command line at each line of its input, says how that went, and keeps what it has until killed. */
process.stdout.write("ready\n");
for await (const _ of process.stdin) {
  const outcome = await DirectoryLock.take(process.argv[2]!).then(
    () => "taken",
    ({ reason }: { reason?: string }) => reason ?? "another error",
  );
  process.stdout.write(`${outcome}\n`);
}
