import { type Command, InvalidArgumentError } from "commander";
import {
  type DataRow,
  EditDatasetResponseSchema,
  ListRowsResponseSchema,
  SplitDatasetResponseSchema,
} from "../../gen/albert/v1/training_pb.js";
import { numberFlag } from "../number-flags.ts";
import { addRecipeOptions, type RecipeFlags, recipeOf } from "../training/recipe-options.ts";
import { saidToWait } from "../work-progress.ts";
import { type AdminFlags, addAdminOptions, dataSource, print, wholeNumber, withAdmin } from "./admin-call.ts";

// The commands that look at the rows of a server's data, and make new data of them: the old data stays as it is.

interface RowsFlags extends AdminFlags, RecipeFlags {
  readonly task?: string;
  readonly problem?: string;
  readonly label?: string;
  readonly text?: string;
  readonly offset: number;
  readonly most: number;
}

interface EditFlags extends AdminFlags, RecipeFlags {
  readonly task: string;
  readonly leaveOut?: readonly number[];
  readonly leaveOutProblem?: readonly string[];
  readonly write?: ReadonlyMap<number, Readonly<Record<string, string>>>;
  readonly renameLabel?: Readonly<Record<string, string>>;
  readonly name?: string;
}

interface SplitFlags extends AdminFlags, RecipeFlags {
  readonly task: string;
  readonly share: number;
  readonly seed: number;
}

/** Adds `albert datasets rows|edit|split`. */
export function registerDatasetsMend(datasets: Command): void {
  addAdminOptions(addRecipeOptions(datasets.command("rows <data>")))
    .description("show rows with all that is wrong with each")
    .option("--task <task>", "layout of the data (default: only its columns are looked at)")
    .option("--problem <kind>", "only rows with a problem of this kind; any: with an error or a warning")
    .option("--label <label>", "only rows with this label")
    .option("--text <text>", "only rows that hold this text")
    .option("--offset <n>", "rows to pass over", wholeNumber, 0)
    .option("--most <n>", "rows to show", numberFlag({ kind: "number", integer: true, minimum: 1, maximum: 1000 }), 20)
    .action((data: string, flags: RowsFlags) =>
      withAdmin(flags, async (client) => {
        const { task = "", problem = "", label = "", text = "", offset, most } = flags;
        const asked = { source: dataSource(data), recipe: recipeOf(flags), pageSize: most };
        const listed = client.datasets.listRows({ ...asked, task, problem, label, text, offset });
        const reply = await saidToWait("the server reads every row", listed);
        print(flags, ListRowsResponseSchema, reply, () => [
          ...reply.rows.flatMap(rowLines),
          `${reply.rows.length} of ${reply.matching} rows`,
        ]);
      }),
    );
  addAdminOptions(addRecipeOptions(datasets.command("edit <data>")))
    .description("make new data of old: rows left out, written anew, labels renamed; the old data stays")
    .requiredOption("--task <task>", "layout of the data")
    .option("--leave-out <rows>", "numbers of rows to leave out, such as 3,7,12-20; may be repeated", rowNumbers)
    .option("--leave-out-problem <kind>", "leave out rows with this problem; any-error: all unusable ones", gathered)
    .option("--write <row:column=value>", "write a value of a row anew; may be repeated", rowValues)
    .option("--rename-label <from=to>", "write a label otherwise in every row; may be repeated", labelNames)
    .option("--name <name>", "name of the new data, with the ending of the old (default: made of the old name)")
    .action((data: string, flags: EditFlags) =>
      withAdmin(flags, async (client) => {
        const { task, leaveOut = [], leaveOutProblem = [], write = [], renameLabel = {}, name = "" } = flags;
        const edited = client.datasets.editDataset({
          ...{ source: dataSource(data), task, recipe: recipeOf(flags), name },
          ...{ leaveOut: [...leaveOut], leaveOutProblems: [...leaveOutProblem] },
          edits: [...write].map(([row, values]) => ({
            row,
            cells: Object.entries(values).map(([column, value]) => ({ column, value })),
          })),
          renameLabels: Object.entries(renameLabel).map(([from, to]) => ({ from, to })),
        });
        const reply = await saidToWait("the server writes the data", edited);
        print(flags, EditDatasetResponseSchema, reply, () => [
          `${reply.dataset?.digest}  ${reply.dataset?.name}`,
          `${reply.rows} rows: ${reply.leftOut} left out, ${reply.changed} changed`,
        ]);
      }),
    );
  addAdminOptions(addRecipeOptions(datasets.command("split <data>")))
    .description("make two of one: rows to train on and rows held out, with like shares of every label")
    .requiredOption("--task <task>", "layout of the data")
    .option("--share <share>", "share held out", numberFlag({ kind: "number", above: 0, below: 1 }), 0.1)
    .option("--seed <n>", "decides which rows: the same seed and rows, the same parts", wholeNumber, 1)
    .action((data: string, flags: SplitFlags) =>
      withAdmin(flags, async (client) => {
        const { task, share, seed } = flags;
        const asked = { source: dataSource(data), task, recipe: recipeOf(flags) };
        const divided = client.datasets.splitDataset({ ...asked, heldOutShare: share, seed: BigInt(seed) });
        const reply = await saidToWait("the server writes both parts", divided);
        print(flags, SplitDatasetResponseSchema, reply, () => [
          `${reply.train?.digest}  ${reply.train?.name}  ${reply.trainRows} rows to train on`,
          `${reply.heldOut?.digest}  ${reply.heldOut?.name}  ${reply.heldOutRows} rows held out`,
          ...(reply.leftOut === 0 ? [] : [`${reply.leftOut} rows cannot be used and are in neither`]),
        ]);
      }),
    );
}

/** Such as "11  text: The lamp  label: billing", and below it what is wrong. */
function rowLines({ number, cells, text, problems }: DataRow): string[] {
  const values = cells.length === 0 ? text : cells.map(({ column, value }) => `${column}: ${value}`).join("  ");
  return [
    `${number}  ${values.replaceAll(/\s*\n\s*/g, " ")}`,
    ...problems.map(({ kind, severity, detail, hint }) => `  ${severity}: ${kind}: ${detail}: ${hint}`),
  ];
}

/** Rows that one option may name. */
const MOST_ROWS = 1_000_000;

/** Reads "3,7,12-20". */
function rowNumbers(text: string, before: readonly number[] = []): number[] {
  const rows = text.split(",").flatMap((part) => {
    const [, from = "", to = from] = /^([1-9]\d{0,8})(?:-([1-9]\d{0,8}))?$/.exec(part.trim()) ?? [];
    const count = Number(to) - Number(from) + 1;
    if (from === "" || count < 1 || count > MOST_ROWS) {
      throw new InvalidArgumentError("Expected numbers of rows from 1, such as 3,7,12-20.");
    }
    return Array.from({ length: count }, (_, i) => Number(from) + i);
  });
  return [...before, ...rows];
}

function gathered(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** Reads "11:label=billing". */
function rowValues(
  text: string,
  before: ReadonlyMap<number, Readonly<Record<string, string>>> = new Map(),
): Map<number, Readonly<Record<string, string>>> {
  const [, row, column, value] = /^([1-9]\d{0,8}):([^=]+)=([\s\S]*)$/.exec(text) ?? [];
  if (row === undefined || column === undefined || value === undefined) {
    throw new InvalidArgumentError("Expected row:column=value, such as 11:label=billing.");
  }
  return new Map(before).set(Number(row), { ...before.get(Number(row)), [column]: value });
}

function labelNames(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1) throw new InvalidArgumentError("Expected from=to, such as biling=billing.");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
