import { Command } from "commander";
import { programVersion } from "../config/program-version.ts";
import { registerAsk } from "./ask.ts";
import { registerChoose } from "./choose.ts";
import { registerClassify } from "./classify.ts";
import { registerConfig } from "./config.ts";
import { registerDatasets } from "./datasets.ts";
import { registerEncode } from "./encode.ts";
import { registerEvaluate } from "./evaluate.ts";
import { registerExport } from "./export.ts";
import { registerFillMask } from "./fill-mask.ts";
import { registerImport } from "./import.ts";
import { registerInspect } from "./inspect.ts";
import { registerJobs } from "./jobs.ts";
import { registerModels } from "./models.ts";
import { registerPredict } from "./predict.ts";
import { registerPretrain } from "./pretrain.ts";
import { registerPretrainingData } from "./pretraining-data.ts";
import { registerRecipes } from "./recipes.ts";
import { registerServe } from "./serve.ts";
import { registerTokenize } from "./tokenize.ts";
import { registerTrain } from "./train.ts";
import { registerVocab } from "./vocab.ts";

/** The `albert` command with every subcommand. */
export function albertProgram(): Command {
  const program = new Command("albert")
    .description("serve, train and hot-swap ALBERT models")
    .version(programVersion())
    .showHelpAfterError("(add --help for the options)");
  registerServe(program);
  registerClassify(program);
  registerAsk(program);
  registerChoose(program);
  registerEncode(program);
  registerFillMask(program);
  registerTokenize(program);
  registerConfig(program);
  registerImport(program);
  registerInspect(program);
  registerExport(program);
  registerPredict(program);
  registerEvaluate(program);
  registerTrain(program);
  registerPretrain(program);
  registerRecipes(program);
  registerVocab(program);
  registerPretrainingData(program);
  registerJobs(program);
  registerModels(program);
  registerDatasets(program);
  return program;
}
