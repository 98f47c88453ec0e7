import { type Command, Option } from "commander";
import { type AlbertVersion, type Recipe, recipeOf, TASKS } from "../../training/settings/recipes.ts";

/** Adds `albert recipes`: the published settings that `albert train` starts from. */
export function registerRecipes(program: Command): void {
  program
    .command("recipes")
    .description("list the published fine-tuning settings of every task")
    .addOption(new Option("--albert-version <version>", "release of the weights").choices(["v1", "v2"]).default("v2"))
    .option("--json", "print JSON")
    .action((flags: { readonly albertVersion: AlbertVersion; readonly json?: true }) => {
      const recipes = TASKS.map((task) => recipeOf(task, flags.albertVersion));
      process.stdout.write(flags.json ? `${JSON.stringify(recipes, null, 2)}\n` : table(recipes));
    });
}

function table(recipes: readonly Recipe[]): string {
  const header = [
    "task",
    "rate",
    "batch",
    "length",
    "warmup",
    "tokens",
    "dropout",
    "head",
    "optimizer",
    "metric",
    "from",
  ];
  const rows = recipes.map((recipe) => [
    recipe.task,
    recipe.learningRate.toExponential(0),
    String(recipe.trainBatchSize),
    "steps" in recipe.length ? `${recipe.length.steps} steps` : `${recipe.length.epochs} epochs`,
    "steps" in recipe.warmup ? String(recipe.warmup.steps) : `${recipe.warmup.proportion * 100} %`,
    String(recipe.maxSeqLength),
    String(recipe.dropout),
    String(recipe.headDropout),
    recipe.optimizer,
    recipe.metric,
    recipe.source,
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd();
  return `${[header, ...rows].map(line).join("\n")}\n`;
}
