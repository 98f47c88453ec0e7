import { answerCalls } from "../../platform/threads/kept-threads.ts";
import { lowerThreadPriority } from "../../platform/threads/thread-priority.ts";
import type { ReadModel, ReadRequest } from "./reader.ts";

// The entry point of the reading threads. One that yields to the serving threads does so even while it loads its modules.

answerCalls<ReadRequest, ReadModel>(async ({ path, options, target, background }) => {
  if (background) lowerThreadPriority();
  const { openWithoutTokenizer } = await import("../../model/directory/open-model-directory.ts");
  const { prepareModel } = await import("../../runtime/session/prepared-model.ts");
  const model = await openWithoutTokenizer(path, options);
  const { parameters: _, ...description } = model;
  return { description, prepared: await prepareModel(model, target) };
});
