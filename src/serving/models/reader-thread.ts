import { runInBackground } from "../../platform/thread-priority.ts";
import { answerCall } from "../../platform/worker-rpc.ts";
import type { ReadModel, ReadRequest } from "./read-model.ts";

// The entry point of the reading thread, which stands back for the serving ones: even while it loads its modules.

await answerCall<ReadRequest, ReadModel>(async (request) => {
  runInBackground();
  const { readModel } = await import("./read-model.ts");
  return readModel(request);
});
