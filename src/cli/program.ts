import { Command } from "commander";
import { programVersion } from "../config/program-version.ts";

/** The subcommands in the order of the help. A module loads when its command is wanted: some of them carry all of training. */
const SUBCOMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  serve: async () => (await import("./serve.ts")).registerServe,
  classify: async () => (await import("./classify.ts")).registerClassify,
  ask: async () => (await import("./ask.ts")).registerAsk,
  choose: async () => (await import("./choose.ts")).registerChoose,
  encode: async () => (await import("./encode.ts")).registerEncode,
  "fill-mask": async () => (await import("./fill-mask.ts")).registerFillMask,
  tokenize: async () => (await import("./tokenize.ts")).registerTokenize,
  config: async () => (await import("./config.ts")).registerConfig,
  import: async () => (await import("./import.ts")).registerImport,
  inspect: async () => (await import("./inspect.ts")).registerInspect,
  export: async () => (await import("./export.ts")).registerExport,
  predict: async () => (await import("./predict.ts")).registerPredict,
  evaluate: async () => (await import("./evaluate.ts")).registerEvaluate,
  train: async () => (await import("./train.ts")).registerTrain,
  pretrain: async () => (await import("./pretrain.ts")).registerPretrain,
  recipes: async () => (await import("./recipes.ts")).registerRecipes,
  vocab: async () => (await import("./vocab.ts")).registerVocab,
  "pretraining-data": async () => (await import("./pretraining-data.ts")).registerPretrainingData,
  jobs: async () => (await import("./jobs.ts")).registerJobs,
  models: async () => (await import("./models.ts")).registerModels,
  datasets: async () => (await import("./datasets.ts")).registerDatasets,
};

/** The `albert` command: with the subcommand of this name, or with every one. */
export async function albertProgram(name?: string): Promise<Command> {
  const program = new Command("albert")
    .description("serve, train and hot-swap ALBERT models")
    .version(programVersion())
    .showHelpAfterError("(add --help for the options)");
  const only = name !== undefined && Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  const wanted = only === undefined ? Object.values(SUBCOMMANDS) : [only];
  for (const register of await Promise.all(wanted.map((load) => load()))) register(program);
  return program;
}
