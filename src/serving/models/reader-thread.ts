import { answerCalls } from "../../platform/threads/kept-threads.ts";
import { lowerThreadPriority } from "../../platform/threads/thread-priority.ts";
import type { PreparedModel } from "../../runtime/session/prepared-model.ts";
import type { ReadModel, ReadRequest } from "./reader.ts";

// The entry point of the reading threads. One that yields to the serving threads does so even while it loads its modules.

answerCalls<ReadRequest, ReadModel>(async ({ path, options, targets, chosen, background }) => {
  if (background) lowerThreadPriority();
  const { openWithoutTokenizer } = await import("../../model/directory/open-model-directory.ts");
  const { prepareModel } = await import("../../runtime/session/prepared-model.ts");
  const { removeModelFiles } = await import("../../runtime/session/model-files.ts");
  const { shapeKey } = await import("../../runtime/profile/profile-cache.ts");
  const model = await openWithoutTokenizer(path, options);
  const { parameters: _, scales, ...description } = model;
  const hasScales = scales !== undefined && targets.some(({ precision }) => precision === "int8");
  const known = chosen.get(shapeKey({ ...model, hasScales }));
  const prepared: PreparedModel[] = [];
  try {
    for (const target of targets) {
      if (known === undefined || target.device === known) prepared.push(await prepareModel(model, target));
    }
  } catch (error) {
    for (const each of prepared) await removeModelFiles(each);
    throw error;
  }
  return { description, prepared };
});
