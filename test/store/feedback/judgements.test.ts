import { expect, it } from "vitest";
import { type Judgement, Judgements } from "../../../src/store/feedback/judgements.ts";
import { DirectoryObjectStore } from "../../../src/store/objects/directory-object-store.ts";
import { workshop } from "../../support/stores.ts";

const { path } = workshop();
const said = (id: string, judgedMs: number, model = "m"): Judgement => ({
  ...{ form: 1, id, model, version: "1", head: "c", text: `text of ${id}`, answer: "a", probability: 0.5 },
  ...{ label: "b", answeredMs: 1, judgedMs },
});

it("what was said of answers outlasts a server, is seen by others, and goes when it is removed", async () => {
  const objects = await DirectoryObjectStore.open(path("store"));
  const [here, there] = [new Judgements(objects), new Judgements(objects)];
  await here.add(said("_-z", 30));
  await there.add(said("a", 9));
  await here.add(said("of-n", 1, "n"));
  expect((await here.list("m")).map(({ id }) => id)).toEqual(["a", "_-z"]);
  const again = new Judgements(await DirectoryObjectStore.open(path("store")));
  expect(await again.list("m")).toEqual([said("a", 9), said("_-z", 30)]);
  expect(await there.remove("m")).toBe(2);
  expect(await here.list("m")).toEqual([]);
  expect(await here.list("n")).toHaveLength(1);
  await expect(here.list("../n")).rejects.toMatchObject({ code: "invalid-input" });
});
