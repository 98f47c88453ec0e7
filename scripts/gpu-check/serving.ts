import { join } from "node:path";
import { type RandomAlbert, randomAlbert, randomSequence } from "../../bench/random-albert.ts";
import { inTurn, rounded, timingOf } from "../../bench/timing.ts";
import type { Precision } from "../../src/graph/serving/dense.ts";
import type { ServingModel } from "../../src/graph/serving/serving-graph.ts";
import { openModelDirectory } from "../../src/model/directory/open-model-directory.ts";
import type { DeviceKind, Engine, SequenceInput } from "../../src/runtime/engine.ts";
import { createEngine } from "../../src/runtime/packed-engine.ts";

const ROUNDS = 8;
/** Lengths of the batches; `mixed` is what padding makes dear. */
const BATCHES: Readonly<Record<string, readonly number[]>> = {
  "1x128": [128],
  "8x128": Array.from({ length: 8 }, () => 128),
  "32x128": Array.from({ length: 32 }, () => 128),
  mixed: Array.from({ length: 64 }, (_, index) => 2 * (index + 1)),
};
const BUNDLED = join(import.meta.dirname, "../../models/sentiment");
const TEXTS = 256;

/**
 * What serving costs on a device and what its arithmetic changes.
 *
 * - milliseconds of packed batches, and of the mixed one when every text is padded to its longest;
 * - how far hidden states are from those of float32 on the processor, as a share of their length;
 * - how many of the bundled classifier's answers to 256 sequences of random tokens are others than the processor's.
 */
export async function checkServing(
  device: DeviceKind,
  precision: Precision,
  shape: Parameters<typeof randomAlbert>[0],
) {
  const model = randomAlbert(shape);
  const openedAt = performance.now();
  const engine = await createEngine(model, { device, precision });
  const openMs = rounded(performance.now() - openedAt);
  try {
    const run = (sequences: readonly SequenceInput[]) => () => engine.run(sequences);
    const mixed = BATCHES["mixed"]!;
    const times = await inTurn(
      {
        ...Object.fromEntries(
          Object.entries(BATCHES).map(([name, lengths]) => [name, run(lengths.map(randomSequence))]),
        ),
        padded: run(mixed.map(() => randomSequence(Math.max(...mixed)))),
      },
      ROUNDS,
    );
    const ms = Object.fromEntries(Object.entries(times).map(([name, values]) => [name, timingOf(values)]));
    const perSecond = ([name, lengths]: [string, readonly number[]]) => [
      name,
      rounded((lengths.reduce((sum, length) => sum + length, 0) / ms[name]!.best) * 1000),
    ];
    return {
      shape,
      tokenBudget: engine.tokenBudget,
      openMs,
      ms,
      tokensPerSecond: Object.fromEntries(Object.entries(BATCHES).map(perSecond)),
      mixedPackedAgainstPadded: rounded(ms["padded"]!.best / ms["mixed"]!.best),
      residentBytes: process.memoryUsage().rss,
      weightBytes: model.weightBytes,
      hiddenStatesOff: await hiddenStatesOff(engine, model),
      bundledModel: await bundledAnswers(device, precision),
    };
  } finally {
    await engine.close();
  }
}

/** Length of the difference of the hidden states to those of float32 on the processor, over their own length. */
async function hiddenStatesOff(engine: Engine, model: RandomAlbert): Promise<number> {
  const sequences = [7, 33, 128].map((length) => ({ ...randomSequence(length), outputs: ["@sequence"] }));
  const exact = await onProcessor(model, sequences);
  const { outputs } = await engine.run(sequences);
  let [difference, norm] = [0, 0];
  exact.forEach((output, index) => {
    const other = outputs[index]!.get("@sequence")!["values"]!;
    output.get("@sequence")!["values"]!.forEach((value, at) => {
      difference += (value - other[at]!) ** 2;
      norm += value ** 2;
    });
  });
  return rounded(Math.sqrt(difference / norm));
}

async function bundledAnswers(device: DeviceKind, precision: Precision) {
  const model = await openModelDirectory(BUNDLED);
  const [head] = model.heads;
  const sequences = Array.from({ length: TEXTS }, (_, text): SequenceInput => {
    const length = 4 + (text % 60);
    const inputIds = Int32Array.from(
      { length },
      (_id, at) => 5 + ((at * 7919 + text * 104_729) % (model.config.vocabSize - 5)),
    );
    return { inputIds, tokenTypeIds: new Int32Array(length), outputs: [head!.name] };
  });
  const exact = await onProcessor(model, sequences);
  const engine = await createEngine(model, { device, precision, calibrationMs: 0 });
  const { outputs } = await engine.run(sequences).finally(() => engine.close());
  let [changed, largest] = [0, 0];
  exact.forEach((output, index) => {
    const [ours, theirs] = [outputs[index]!, output].map((each) => [...each.get(head!.name)!["logits"]!]);
    if (ours!.indexOf(Math.max(...ours!)) !== theirs!.indexOf(Math.max(...theirs!))) changed += 1;
    largest = Math.max(largest, ...ours!.map((value, label) => Math.abs(value - theirs![label]!)));
  });
  return { texts: TEXTS, changedAnswers: changed, largestLogitDifference: rounded(largest) };
}

async function onProcessor(model: ServingModel, sequences: readonly SequenceInput[]) {
  const engine = await createEngine(model, { device: "cpu", calibrationMs: 0 });
  const { outputs } = await engine.run(sequences).finally(() => engine.close());
  return outputs;
}
