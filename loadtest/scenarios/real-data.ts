// Sends every question of three real development sets through a running server with a real client, and compares each
// answer with one computed alone, without a server. Prints JSON; exits with 1 when a request failed or an answer differed.
//
//   node --import tsx loadtest/scenarios/real-data.ts --fixtures ../shared/fixtures --data ../shared/data [--callers 32] [--limit N]
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { startApp } from "../../src/app.ts";
import { type AlbertClient, connectAlbert } from "../../src/client/albert-client.ts";
import { loadConfig } from "../../src/config/load.ts";
import { TruncationPolicy } from "../../src/gen/albert/v1/inference_pb.js";
import { openModelDirectory } from "../../src/model/directory/open-model-directory.ts";
import type { Engine } from "../../src/runtime/engine.ts";
import { createEngine } from "../../src/runtime/packed-engine.ts";
import { planClassification } from "../../src/tasks/classification/classification.ts";
import { tarArticles } from "../../src/tasks/datasets/article-files.ts";
import { fileSource, wholeText } from "../../src/tasks/datasets/data-source.ts";
import { GLUE_TASKS, glueExamples } from "../../src/tasks/datasets/glue.ts";
import { raceQuestions } from "../../src/tasks/datasets/race.ts";
import { readSquad } from "../../src/tasks/datasets/squad.ts";
import { planMultipleChoice } from "../../src/tasks/multiple-choice/multiple-choice.ts";
import { type TaskModel, type TaskPlan, taskModel } from "../../src/tasks/plan.ts";
import { planQuestionAnswering } from "../../src/tasks/question-answering/question-answering.ts";
import { writeTinyEnglish } from "./tiny-english.ts";

/** One example, asked both ways; answers are reduced to what must be equal to the last bit. */
interface Example {
  readonly served: (client: AlbertClient) => Promise<unknown>;
  readonly alone: (model: TaskModel, engine: Engine) => Promise<unknown>;
}

const options = { truncation: TruncationPolicy.TRUNCATE };

async function* squad(data: string): AsyncGenerator<Example> {
  const file = join(data, "squad/dev-v1.1.shared.json.gz");
  for (const { question, context } of readSquad(JSON.parse(await wholeText(fileSource(file))), file)) {
    yield {
      served: async (client) => {
        const { answers } = await client.answerQuestion({ question, context, nBest: 3, options });
        return answers.map(({ text, start, end, score, window }) => ({ text, start, end, score, window }));
      },
      alone: async (model, engine) => {
        const plan = planQuestionAnswering({ question, context, nBest: 3 }, model);
        const { answers } = await answered(plan, engine);
        return answers.map(({ text, start, end, probability, window }) => ({
          text,
          start,
          end,
          score: probability,
          window,
        }));
      },
    };
  }
}

async function* sst2(data: string): AsyncGenerator<Example> {
  for await (const { text } of glueExamples(
    fileSource(join(data, "glue/SST-2/dev.tsv.gz")),
    GLUE_TASKS.get("sst-2")!,
    "dev",
  )) {
    yield {
      served: async (client) => {
        const { labels } = await client.classify({ text, options });
        return labels.map(({ label, score }) => ({ label, score }));
      },
      alone: async (model, engine) => {
        const answer = await answered(planClassification({ text }, model), engine);
        if (answer.kind === "regression") throw new Error("the sentiment head gives labels");
        return answer.labels.map(({ label, probability }) => ({ label, score: probability }));
      },
    };
  }
}

async function* race(data: string): AsyncGenerator<Example> {
  const files = tarArticles(fileSource(join(data, "race/RACE-dev.shared.tar.gz")));
  for (const { article: context, question, options: choices } of await raceQuestions(files)) {
    yield {
      served: async (client) => {
        const reply = await client.chooseAnswer({ question, context, choices: [...choices], options });
        return { best: reply.index, scores: reply.choices.map(({ score }) => score) };
      },
      alone: async (model, engine) => {
        const { best, choices: scored } = await answered(
          planMultipleChoice({ question, context, choices }, model),
          engine,
        );
        return { best, scores: scored.map(({ probability }) => probability) };
      },
    };
  }
}

/** Each sequence in a batch of its own. */
async function answered<Answer>(plan: TaskPlan<Answer>, engine: Engine): Promise<Answer> {
  const outputs = [];
  for (const sequence of plan.sequences) outputs.push((await engine.run([sequence])).outputs[0]!);
  return plan.answer(outputs);
}

/** Asks all examples over `callers` at a time, then again one by one without the server. */
async function compare(
  examples: readonly Example[],
  { client, model, engine, callers }: { client: AlbertClient; model: TaskModel; engine: Engine; callers: number },
) {
  const served: unknown[] = [];
  const errors: string[] = [];
  let next = 0;
  const startedAt = performance.now();
  const caller = async () => {
    for (let i = next++; i < examples.length; i = next++) {
      try {
        served[i] = await examples[i]!.served(client);
      } catch (error) {
        errors.push(String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = (performance.now() - startedAt) / 1000;
  let different = 0;
  for (const [i, example] of examples.entries()) {
    const alone = await example.alone(model, engine);
    if (JSON.stringify(alone) !== JSON.stringify(served[i])) different++;
  }
  return {
    requests: examples.length,
    failed: errors.length,
    different,
    seconds: Number(seconds.toFixed(1)),
    requestsPerSecond: Math.round(examples.length / seconds),
    ...(errors.length > 0 ? { firstErrors: errors.slice(0, 3) } : {}),
  };
}

const { values: flags } = parseArgs({
  options: {
    fixtures: { type: "string", default: "../shared/fixtures" },
    data: { type: "string", default: "../shared/data" },
    callers: { type: "string", default: "32" },
    limit: { type: "string" },
  },
});
const directory = await mkdtemp(join(tmpdir(), "albert-real-data-"));
try {
  const modelDirectory = join(directory, "model");
  await writeTinyEnglish(modelDirectory, flags.fixtures, join(flags.data, "tokenizer/30k-clean.model"));
  const { config } = loadConfig({
    flags: { device: "cpu", "server-public-address": "127.0.0.1:0", "server-metrics-address": "" },
  });
  const quiet = () => {};
  const log = { debug: quiet, info: quiet, warn: quiet, error: console.error };
  const app = await startApp({ config, log }, [{ name: "tiny-english", directory: modelDirectory }]);
  const client = connectAlbert(app.addresses.public, { maxAttempts: 1, deadlineMs: 60_000 });
  const opened = await openModelDirectory(modelDirectory);
  const model = taskModel(opened);
  const engine = await createEngine(opened, { device: "cpu", calibrationMs: 0 });
  const results: Record<string, Awaited<ReturnType<typeof compare>>> = {};
  for (const [name, read] of Object.entries({ squad, sst2, race })) {
    const examples: Example[] = [];
    for await (const example of read(flags.data)) examples.push(example);
    const limited = examples.slice(0, flags.limit === undefined ? undefined : Number(flags.limit));
    results[name] = await compare(limited, { client, model, engine, callers: Number(flags.callers) });
  }
  client.close();
  await engine.close();
  const clean = await app.close(0);
  console.log(JSON.stringify({ ...results, cleanShutdown: clean }, null, 2));
  const failed = Object.values(results).some((result) => result.failed > 0 || result.different > 0);
  process.exitCode = failed || !clean ? 1 : 0;
} finally {
  await rm(directory, { recursive: true });
}
