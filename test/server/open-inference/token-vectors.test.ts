import { expect, it } from "vitest";
import { encode } from "../../../src/server/open-inference/encode.ts";
import { Parameters } from "../../../src/server/open-inference/parameters.ts";
import type { Row } from "../../../src/server/open-inference/task.ts";

const ROW: Row = { text: () => "a", optionalText: () => undefined, texts: () => ["a"] };

it("vectors of tokens beyond what a reply may hold are refused, counted as rows are filled up", async () => {
  const parameters = new Parameters(new Map([["pooling", "none"]]));
  const answer = encode.variant!(parameters).prepare({}, parameters);
  const lengths = [512, 1, 1, 1, 1, 1, 1, 1, 1]; // 9 rows of 512 tokens as they are filled up
  const calls = {
    encode: async () => {
      const values = new Array<number>(1024).fill(0);
      return { tokens: Array.from({ length: lengths.shift()! }, () => ({ values })) };
    },
  };
  // The task asks for nothing but this call.
  const row = () => answer(ROW, calls as never, {} as never);
  for (let rows = 0; rows < 8; rows++) await row();
  await expect(row()).rejects.toThrow("more than 4194304 values");
});

it("a parameter that two readers find wrong is told once", () => {
  const parameters = new Parameters(new Map([["pooling", "sum"]]));
  encode.variant!(parameters).prepare({}, parameters);
  expect(parameters.violations).toEqual([
    { field: "parameters.pooling", description: "must be one of pooler, cls, mean, none" },
  ]);
});
