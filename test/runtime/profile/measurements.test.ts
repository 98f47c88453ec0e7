import { expect, it } from "vitest";
import type { Head } from "../../../src/model/heads.ts";
import { publishedConfig } from "../../../src/model/published-configs.ts";
import { CostModel } from "../../../src/runtime/profile/cost-model.ts";
import { ProfileCache } from "../../../src/runtime/profile/profile-cache.ts";

const on = { device: "cpu", precision: "fp32", threads: 2 } as const;
const span: Head = { kind: "span", name: "answers" };
const choice: Head = { kind: "multiple-choice", name: "choices" };
const words: Head = { kind: "masked-lm", name: "words" };

it("know a trunk again whatever its weights and narrow heads, and take nothing else for it", () => {
  const config = publishedConfig("2x128", 100)!;
  const profiles = new ProfileCache();
  const measured = { cost: new CostModel(), tokenBudget: 512 };
  profiles.keep({ config, heads: [span] }, on, measured);
  const found = (changed: object, heads: Head[] = [span], where = on as Parameters<ProfileCache["find"]>[1]) =>
    profiles.find({ config: { ...config, ...changed }, heads }, where);
  expect(found({ extra: { architectures: ["AlbertForMultipleChoice"] }, hiddenDropoutProb: 0.1 }, [choice])).toBe(
    measured,
  );
  expect(found({}, [span, words])).toBeUndefined();
  expect(found({ numHiddenLayers: 3 })).toBeUndefined();
  expect(found({ vocabSize: 101 })).toBeUndefined();
  expect(found({}, [span], { ...on, threads: 1 })).toBeUndefined();
  expect(found({}, [span], { ...on, precision: "int8" })).toBeUndefined();
  expect(profiles.find({ config, heads: [span], hasScales: false }, on)).toBe(measured);
  expect(profiles.find({ config, heads: [span], hasScales: true }, on)).toBeUndefined();
});
