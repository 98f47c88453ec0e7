import { deriveSeed, RandomStream } from "../../model/random.ts";
import type { Example } from "../datasets/examples.ts";

/**
 * Draws examples of a data set, each as likely as any other, in the order of the data: a reservoir (Vitter, "Random sampling with
 * a reservoir", 1985, algorithm R), so that memory holds those drawn alone. The same seed and data give the same examples.
 */
export async function drawnExamples(
  examples: AsyncIterable<Example> | Iterable<Example>,
  count: number,
  seed: number,
): Promise<Example[]> {
  const random = new RandomStream(deriveSeed(seed, "examples whose activations are observed"));
  const drawn: { readonly place: number; readonly example: Example }[] = [];
  let place = 0;
  for await (const example of examples) {
    if (drawn.length < count) drawn.push({ place, example });
    else {
      const slot = random.below(place + 1);
      if (slot < count) drawn[slot] = { place, example };
    }
    place++;
  }
  return drawn.sort((a, b) => a.place - b.place).map(({ example }) => example);
}
