import { Command } from "commander";
import { nearest } from "../config/nearest.ts";
import { programVersion } from "../config/program-version.ts";
import { EXAMPLES } from "./shell/examples.ts";

/** The subcommands in the order of the help. A module loads when its command is wanted: some of them carry all of training. */
const SUBCOMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  serve: async () => (await import("./server/serve.ts")).registerServe,
  "run-job": async () => (await import("./server/run-job.ts")).registerRunJob,
  health: async () => (await import("./server/health.ts")).registerHealth,
  doctor: async () => (await import("./doctor/doctor.ts")).registerDoctor,
  classify: async () => (await import("./inference/classify.ts")).registerClassify,
  ask: async () => (await import("./inference/ask.ts")).registerAsk,
  choose: async () => (await import("./inference/choose.ts")).registerChoose,
  encode: async () => (await import("./inference/encode.ts")).registerEncode,
  "fill-mask": async () => (await import("./inference/fill-mask.ts")).registerFillMask,
  tokenize: async () => (await import("./inference/tokenize.ts")).registerTokenize,
  search: async () => (await import("./search/search.ts")).registerSearch,
  config: async () => (await import("./config.ts")).registerConfig,
  import: async () => (await import("./model/import.ts")).registerImport,
  inspect: async () => (await import("./model/inspect.ts")).registerInspect,
  export: async () => (await import("./model/export.ts")).registerExport,
  calibrate: async () => (await import("./model/calibrate.ts")).registerCalibrate,
  convert: async () => (await import("./model/convert.ts")).registerConvert,
  quantise: async () => (await import("./model/quantise.ts")).registerQuantise,
  predict: async () => (await import("./evaluation/predict.ts")).registerPredict,
  evaluate: async () => (await import("./evaluation/evaluate.ts")).registerEvaluate,
  compare: async () => (await import("./evaluation/compare.ts")).registerCompare,
  train: async () => (await import("./training/train.ts")).registerTrain,
  sweep: async () => (await import("./training/sweeps/sweep.ts")).registerSweep,
  distil: async () => (await import("./training/distil.ts")).registerDistil,
  pretrain: async () => (await import("./training/pretrain.ts")).registerPretrain,
  recipes: async () => (await import("./training/recipes.ts")).registerRecipes,
  vocab: async () => (await import("./training/vocab.ts")).registerVocab,
  "pretraining-data": async () => (await import("./training/pretraining-data.ts")).registerPretrainingData,
  jobs: async () => (await import("./admin/jobs.ts")).registerJobs,
  models: async () => (await import("./admin/models.ts")).registerModels,
  datasets: async () => (await import("./admin/datasets.ts")).registerDatasets,
  feedback: async () => (await import("./admin/feedback.ts")).registerFeedback,
  store: async () => (await import("./store.ts")).registerStore,
  tokens: async () => (await import("./server/tokens.ts")).registerTokens,
  completion: async () => {
    const { registerCompletion } = await import("./shell/completion.ts");
    return (program) => registerCompletion(program, () => albertProgram());
  },
};

/** A complaint about a choice, with the choice that was probably meant. */
function withSuggestion(text: string): string {
  const [, given, choices] =
    /(?:argument|command-argument value) '(.*)' is invalid.*\. Allowed choices are (.*)\.\n/.exec(text) ?? [];
  const meant = given === undefined ? undefined : nearest(given, choices!.split(", "));
  return meant === undefined ? text : `${text.trimEnd()} Did you mean ${meant}?\n`;
}

/** The `albert` command: with the subcommand of this name, or with every one. */
export async function albertProgram(name?: string): Promise<Command> {
  const program = new Command("albert")
    .description("serve, train and hot-swap ALBERT models")
    .version(programVersion())
    .showHelpAfterError("(add --help for the options)")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(withSuggestion(text)) });
  const only = name !== undefined && Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  const wanted = only === undefined ? Object.values(SUBCOMMANDS) : [only];
  for (const register of await Promise.all(wanted.map((load) => load()))) register(program);
  for (const command of program.commands) addExamples(command, command.name());
  return program;
}

/** Ends the help of a command, and of those below it, with its examples. */
function addExamples(command: Command, path: string): void {
  const examples = EXAMPLES[path] ?? [];
  if (examples.length > 0) {
    const heading = examples.length === 1 ? "Example:" : "Examples:";
    command.addHelpText("after", `\n${[heading, ...examples.map((line) => `  $ albert ${line}`)].join("\n")}`);
  }
  for (const child of command.commands) addExamples(child, `${path} ${child.name()}`);
}
