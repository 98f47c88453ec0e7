import { readFileSync } from "node:fs";
import { platform } from "node:os";
import { expect, it } from "vitest";
import { callThread } from "../../../src/platform/threads/worker-rpc.ts";

const entry = new URL("./background-thread", import.meta.url);

/** The lowest priority there is. */
const LOWEST = 19;

it.skipIf(platform() !== "linux")("a background thread and its children stand back, this one does not", async () => {
  const before = niceness("/proc/thread-self/stat");
  const back = Math.min(LOWEST, before + 10); // the tests may themselves run with a low priority
  const { own, child } = await callThread<string, { own: number; child: number }>(entry, import.meta.url, "parent");
  expect([own, child]).toEqual([back, back]);
  expect(niceness("/proc/thread-self/stat")).toBe(before);
});

/** Field 19 of a thread's status; the name in field 2 may hold blanks. */
function niceness(path: string): number {
  return Number(readFileSync(path, "utf8").split(") ").at(-1)!.split(" ")[16]);
}
