import { expect, it } from "vitest";
import { watchOpenFiles } from "../../src/server/open-files.ts";

it("tells once a minute that no file descriptor is left, what to do, and once that there are some again", async () => {
  const told: unknown[] = [];
  const log = {
    error: (fields: object, message: string) => told.push(["error", fields, message]),
    info: (fields: object, message: string) => told.push(["info", fields, message]),
  };
  let [seconds, left, look, ended] = [0, true, () => {}, false];
  const every = (milliseconds: number, callback: () => void) => {
    expect(milliseconds).toBe(1000);
    look = callback;
    return () => {
      ended = true;
    };
  };
  const end = watchOpenFiles(["127.0.0.1:1", "127.0.0.1:2"], log, {
    canOpen: async () => left,
    now: () => 1000 * seconds,
    every,
  });
  const pass = async (duration: number) => {
    for (let second = 0; second < duration; second++) {
      seconds++;
      look();
      await Promise.resolve();
    }
  };
  await pass(100);
  expect(told).toEqual([]);
  left = false;
  await pass(60);
  expect(told).toEqual([
    [
      "error",
      { limit: expect.any(Number), listeners: ["127.0.0.1:1", "127.0.0.1:2"] },
      expect.stringMatching(/no file descriptor is left.*ulimit -n.*LimitNOFILE/),
    ],
  ]);
  await pass(60);
  expect(told).toHaveLength(2);
  left = true;
  await pass(10);
  expect(told.slice(2)).toEqual([["info", { seconds: 120 }, "there are file descriptors again"]]);
  left = false;
  await pass(1);
  left = true;
  await pass(1);
  expect(told).toHaveLength(5);
  left = false;
  await pass(1); // a minute has not passed since it was told last
  expect(told).toHaveLength(5);
  end();
  expect(ended).toBe(true);
});
