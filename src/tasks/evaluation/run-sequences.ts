import type { Engine, SequenceInput, SequenceOutput } from "../../runtime/engine.ts";

// Runs the sequences of an evaluation in batches, in memory that does not grow with their number.

/** What evaluation needs of an engine. */
export type SequenceRunner = Pick<Engine, "run" | "tokenBudget">;

/** Something to be run: an example with its sequences. */
export interface RunnableItem {
  readonly sequences: readonly SequenceInput[];
}

/** Batches handed over before the first is answered: one runs, one waits on the device, one is being made. */
const IN_FLIGHT = 3;

interface Entry<Item> {
  readonly item: Item;
  readonly outputs: SequenceOutput[];
  waiting: number;
}

interface PlacedSequence<Item> {
  readonly entry: Entry<Item>;
  readonly index: number;
  readonly sequence: SequenceInput;
}

/**
 * Runs the sequences of many items in batches of about the engine's token budget and gives the items back in their order,
 * each with its outputs. Sequences of one item may meet those of its neighbours in a batch. Memory holds a few batches,
 * however many items there are.
 */
export async function* runSequences<Item extends RunnableItem>(
  engine: SequenceRunner,
  items: AsyncIterable<Item> | Iterable<Item>,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly item: Item; readonly outputs: readonly SequenceOutput[] }> {
  const order: Entry<Item>[] = [];
  const flights: Promise<void>[] = [];
  let batch: PlacedSequence<Item>[] = [];
  let tokens = 0;
  const launch = async () => {
    const placed = batch;
    batch = [];
    tokens = 0;
    if (placed.length === 0) return;
    if (flights.length >= IN_FLIGHT) await flights.shift();
    signal?.throwIfAborted();
    const flight = runBatch(engine, placed);
    flight.catch(() => {}); // the caller that awaits it gets the error
    flights.push(flight);
  };
  for await (const item of items) {
    const entry: Entry<Item> = { item, outputs: new Array(item.sequences.length), waiting: item.sequences.length };
    order.push(entry);
    for (const [index, sequence] of item.sequences.entries()) {
      if (tokens > 0 && tokens + sequence.inputIds.length > engine.tokenBudget) await launch();
      batch.push({ entry, index, sequence });
      tokens += sequence.inputIds.length;
    }
    while (order[0]?.waiting === 0) yield order.shift()!;
  }
  await launch();
  while (order.length > 0) {
    while (order[0]?.waiting === 0) yield order.shift()!;
    await flights.shift();
  }
}

async function runBatch<Item>(engine: SequenceRunner, placed: readonly PlacedSequence<Item>[]): Promise<void> {
  const { outputs } = await engine.run(placed.map(({ sequence }) => sequence));
  for (const [i, { entry, index }] of placed.entries()) {
    entry.outputs[index] = outputs[i]!;
    entry.waiting--;
  }
}
