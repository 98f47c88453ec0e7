import { lowerThreadPriority } from "../../platform/threads/thread-priority.ts";
import { answerCall } from "../../platform/threads/worker-rpc.ts";
import type { ReadModel, ReadRequest } from "./reader.ts";

// The entry point of the reading thread, which yields to the serving threads even while it loads its modules.

await answerCall<ReadRequest, ReadModel>(async ({ path, options, target }) => {
  lowerThreadPriority();
  const { openWithoutTokenizer } = await import("../../model/directory/open-model-directory.ts");
  const { prepareModel } = await import("../../runtime/session/prepared-model.ts");
  const model = await openWithoutTokenizer(path, options);
  const { parameters: _, ...description } = model;
  return { description, prepared: await prepareModel(model, target) };
});
