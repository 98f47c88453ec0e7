import { PRETRAINING } from "../src/pretraining/hyperparameters.ts";
import { DISTILLATION } from "../src/training/settings/distillation.ts";
import { FINE_TUNING } from "../src/training/settings/fine-tuning.ts";
import { nameOf, type Table } from "../src/training/settings/table.ts";
import { expectedOf } from "../src/training/settings/value-type.ts";

/** docs/hyperparameters.md: every row of the tables. */
export function hyperparametersPage(): string {
  return `# Hyperparameters

Made by \`npm run docs\` from the tables in \`src/training/settings/fine-tuning.ts\`, \`distillation.ts\` next to it and \`src/pretraining/hyperparameters.ts\`. Each name is a flag of the command
(\`--train-batch-size\`, or \`--train_batch_size\` as Google's scripts have it) and a key of a job's recipe (\`albert jobs create --set train_batch_size=16\`, the field
\`recipe\` of \`CreateJob\`). A value outside its bounds is refused with them, before anything is read. \`albert train --plan\` prints what applies to a run, and why.

## Fine-tuning: \`albert train\`, jobs of kind fine-tune

${rowsOf(FINE_TUNING)}
## Distillation: \`albert distil\`, jobs of kind distil, besides all of fine-tuning

${rowsOf(DISTILLATION)}
## Pretraining: \`albert pretrain\`, jobs of kind pretrain

${rowsOf(PRETRAINING)}
\`adamw\`, an old name of \`adamw-official\`, is still taken, with a warning: elsewhere it means the corrected rule.
`;
}

function rowsOf(table: Table): string {
  const rows = Object.entries(table).map(([key, { type, description, default: fallback = "" }]) => [
    `\`${nameOf(key)}\``,
    description,
    expectedOf(type),
    fallback,
  ]);
  const lines = rows.map((cells) => `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |\n`);
  return `| name | what | values | default |\n|---|---|---|---|\n${lines.join("")}`;
}
