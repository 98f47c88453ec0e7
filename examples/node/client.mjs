// Asks a running server from Node: `node examples/node/client.mjs [host:port]`.
import { CallError, connectAlbert, itemError } from "albert-serve/client";

const albert = connectAlbert(process.argv[2] ?? "127.0.0.1:50051", { deadlineMs: 5_000 });

try {
  // One text.
  const { labels, meta } = await albert.classify({
    options: { model: "sentiment" },
    text: "A gripping, honest film.",
  });
  for (const { label, score } of labels) console.log(`${(100 * score).toFixed(1).padStart(5)} %  ${label}`);
  console.log(`version ${meta.version} of ${meta.model}, ${meta.tokens} tokens, ${meta.timings.totalMs.toFixed(1)} ms`);

  // Many texts in one call: each has its own outcome, in the order they were asked.
  const texts = ["Two hours I will never get back.", "", "What a wonderful cast!"];
  const { results } = await albert.batchInfer({
    items: texts.map((text) => ({ request: { case: "classify", value: { options: { model: "sentiment" }, text } } })),
  });
  for (const [index, { outcome }] of results.entries()) {
    if (outcome.case === "classify") console.log(`${index}: ${outcome.value.labels[0].label}`);
    else if (outcome.case === "error") console.log(`${index}: ${itemError(outcome.value).reason}`);
  }

  // What went wrong is a value, not a text to be parsed.
  await albert.classify({ options: { model: "nobody" }, text: "fine" }).catch((error) => {
    if (!(error instanceof CallError)) throw error;
    console.log(`${error.status} ${error.reason}: ${error.message}`);
  });
} finally {
  albert.close();
}
