// Documents of a megabyte under load: starts the built server with the bundled models, calls Classify at fixed moments, lets
// texts of a megabyte be cut into tokens meanwhile, then asks a question about such a document, and prints a line of JSON for
// each: how long it took, how late the server's event loop was, what the other caller felt, and memory. Exits with 1 when a
// call of the other caller failed.
//
//   npm run build && node --import tsx loadtest/scenarios/long-documents.ts [--bytes 1048576] [--rate 20] [--steady 10] [--three]
//
// --three asks three questions at once, too.
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type AlbertClient, connectAlbert } from "../../src/client/albert-client.ts";
import { type ServerProcess, startServer } from "./server-process.ts";
import { SteadyCaller, summary } from "./steady-caller.ts";

const root = join(import.meta.dirname, "../..");
const { values: flags } = parseArgs({
  options: {
    bytes: { type: "string", default: "1048576" },
    rate: { type: "string", default: "20" },
    steady: { type: "string", default: "10" },
    three: { type: "boolean", default: false },
  },
});

/** English of the project's own pages, over and over, with a sentence to be found in the middle. */
function longDocument(bytes: number): string {
  const page = ["README.md", "docs/serving.md", "CONTRIBUTING.md"]
    .map((name) => readFileSync(join(root, name), "utf8").replaceAll(/[^\x20-\x7e\n]|[|`*#]/g, ""))
    .join("\n");
  const text = page.repeat(Math.ceil(bytes / page.length)).slice(0, bytes);
  const fact = " The lighthouse of Westmoor was built by Clara Hansen in 1874. ";
  const middle = Math.floor(bytes / 2);
  return `${text.slice(0, middle)}${fact}${text.slice(middle + fact.length)}`;
}

/** What one kind of call costs, and what another caller feels meanwhile. */
async function measure(name: string, server: ServerProcess, client: AlbertClient, what: () => Promise<object>) {
  await server.metric("nodejs_eventloop_delay_max_seconds"); // a scrape begins a new interval
  const other = new SteadyCaller(Number(flags.rate), async () => {
    const { meta } = await client.classify({ options: { model: "sentiment" }, text: "A gripping, honest film." });
    return meta?.version ?? "";
  });
  const began = performance.now();
  const outcome = await what();
  const seconds = (performance.now() - began) / 1000;
  await other.stop();
  const late = (await server.metric("nodejs_eventloop_delay_max_seconds")) ?? 0;
  const { bytes, peakBytes } = server.rss();
  const measured = {
    ...outcome,
    seconds: Number(seconds.toFixed(2)),
    eventLoopLateMaxMs: Number((late * 1000).toFixed(1)),
    otherCaller: summary(other.samples),
    memoryMb: Math.round(bytes / 2 ** 20),
    peakMemoryMb: Math.round(peakBytes / 2 ** 20),
  };
  process.stdout.write(`${JSON.stringify({ [name]: measured })}\n`);
  return measured;
}

const directory = await mkdtemp(join(tmpdir(), "albert-long-documents-"));
const server = await startServer([
  ...["--store", join(directory, "store")],
  ...["--device", "cpu", "--log-level", "warn"],
  ...["--model", `sentiment=${join(root, "models/sentiment")}`],
  ...["--model", `question-answering=${join(root, "models/question-answering")}`],
]);
const client = connectAlbert(server.addresses.public);
try {
  const bytes = Number(flags.bytes);
  const document = longDocument(bytes);
  const hostile = "! ".repeat(bytes / 2);
  const ask = async (context: string) => {
    const reply = await client.answerQuestion({ question: "Who built the lighthouse of Westmoor?", context });
    const { windows, tokens, timings } = reply.meta!;
    return { windows, tokens, runMs: Math.round(timings?.runMs ?? 0), answer: reply.answers[0]?.text };
  };
  const countTokens = async (text: string) => {
    const options = { model: "sentiment" };
    const { tokenCount } = await client.tokenize({ options, text, pageSize: 0 });
    return { tokenCount };
  };
  const page = async (text: string) => {
    const options = { model: "sentiment" };
    const { tokens, tokenCount } = await client.tokenize({ options, text, pageStart: 1000, pageSize: 16_384 });
    return { tokens: tokens.length, tokenCount };
  };
  const batchOfTokenize = async () => {
    const request = { options: { model: "sentiment" }, text: "! ".repeat(8000) };
    const items = Array.from({ length: 9 }, () => ({ request: { case: "tokenize" as const, value: request } }));
    const { results } = await client.batchInfer({ items });
    return { answers: results.filter(({ outcome }) => outcome.case === "tokenize").length };
  };
  await ask("Clara Hansen built it."); // warm
  await countTokens(document.slice(0, 20_000));
  const three = async () => {
    const answers = await Promise.all([document, document, document].map(ask));
    return { windows: answers.reduce((sum, { windows }) => sum + windows, 0) };
  };
  const alone = async () => {
    await setTimeout(Number(flags.steady) * 1000);
    return {};
  };
  const parts: Readonly<Record<string, () => Promise<object>>> = {
    alone,
    countTokens: () => countTokens(document),
    countHostileTokens: () => countTokens(hostile),
    pageOfTokens: () => page(document),
    batchOfNineTokenize: batchOfTokenize,
    question: () => ask(document),
    ...(flags.three ? { threeQuestions: three } : {}),
  };
  for (const [name, part] of Object.entries(parts)) {
    const { otherCaller } = await measure(name, server, client, part);
    if (otherCaller.failed > 0) process.exitCode = 1;
  }
} finally {
  client.close();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
}
