import { threadId } from "node:worker_threads";
import { corrupt } from "../../../src/errors.ts";
import { answerCalls } from "../../../src/platform/threads/kept-threads.ts";

// What the tests of kept threads run: says on which thread it is, or fails in the way it is asked to.

answerCalls<string, number>(async (request) => {
  if (request === "refuse") throw corrupt("the request is refused");
  if (request === "bug") throw new TypeError("a bug");
  if (request === "die") process.exit(3);
  return threadId;
});
