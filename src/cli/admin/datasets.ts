import { access, constants, stat } from "node:fs/promises";
import { create } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { uploadDataset } from "../../client/upload-dataset.ts";
import { AlbertError } from "../../errors.ts";
import {
  type Dataset,
  DatasetSchema,
  DeleteDatasetResponseSchema,
  ListDatasetsResponseSchema,
  ValidateDatasetResponseSchema,
} from "../../gen/albert/v1/training_pb.js";
import { EXIT } from "../failure.ts";
import { addRecipeOptions, type RecipeFlags, recipeOf } from "../training/recipe-options.ts";
import { saidToWait, WorkProgress } from "../work-progress.ts";
import { type AdminFlags, addAdminOptions, allPages, dataSource, print, table, withAdmin } from "./admin-call.ts";
import { registerDatasetsCheck } from "./datasets-check.ts";
import { registerDatasetsMend } from "./datasets-mend.ts";

interface ValidateFlags extends AdminFlags, RecipeFlags {
  readonly task: string;
  readonly model?: string;
  readonly eval?: string;
}

/** Adds `albert datasets`: the data that jobs of a running server train and evaluate on. */
export function registerDatasets(program: Command): void {
  const datasets = program.command("datasets").description("bring data to a running server, check, mend and split it");
  registerDatasetsCheck(datasets);
  addAdminOptions(datasets.command("upload <file>").description("send a file; an interrupted upload goes on"))
    .option("--name <name>", "name with the ending that says the format (default: the file's)")
    .action((file: string, flags: AdminFlags & { readonly name?: string }) =>
      withAdmin(flags, async (client) => {
        const name = flags.name === undefined ? {} : { name: flags.name };
        await requireFile(file);
        const progress = new WorkProgress(process.stderr, "kB");
        try {
          const onProgress = (received: number, total: number) =>
            progress.show(Math.round(received / 1000), Math.round(total / 1000));
          printDataset(flags, await uploadDataset(client, file, { ...name, onProgress }));
        } finally {
          progress.close();
        }
      }),
    );
  addAdminOptions(datasets.command("register <path>").description("name a file below a dataset root of the server"))
    .option("--name <name>", "name of the dataset (default: the file's)")
    .action((path: string, flags: AdminFlags & { readonly name?: string }) =>
      withAdmin(flags, async (client) => {
        const { dataset } = await client.datasets.registerDataset({ path, name: flags.name ?? "" });
        printDataset(flags, dataset!);
      }),
    );
  addAdminOptions(addRecipeOptions(datasets.command("validate <data>")))
    .description("read every row, as a fine-tune with this recipe would, and report every problem")
    .requiredOption("--task <task>", "layout of the data")
    .option("--model <name>", "model whose labels and lengths it must suit")
    .option("--eval <data>", "evaluation data, to find rows that are in both")
    .action((data: string, flags: ValidateFlags) =>
      withAdmin(flags, async (client) => {
        const validated = client.datasets.validateDataset({
          source: dataSource(data),
          task: flags.task,
          model: flags.model ?? "",
          recipe: recipeOf(flags),
          ...(flags.eval === undefined ? {} : { eval: dataSource(flags.eval) }),
        });
        const reply = await saidToWait("the server reads every row", validated);
        print(flags, ValidateDatasetResponseSchema, reply, () => [
          `${reply.usable ? "usable" : "not usable"}: ${reply.rowsRead} rows read, ${reply.rowsAccepted} accepted, ${reply.rowsRejected} rejected`,
          ...table(
            ["LABEL", "ROWS"],
            reply.labelCounts.map(({ label, rows }) => [label, String(rows)]),
            "no labels",
          ),
          ...reply.issues.flatMap(({ kind, count, locations, hint }) => [
            `${kind}: ${count}: ${hint}`,
            ...locations.map((location) => `  ${location}`),
            ...(count > locations.length ? [`  and ${count - locations.length} more`] : []),
          ]),
        ]);
        if (!reply.usable) process.exitCode = EXIT.data;
      }),
    );
  registerDatasetsMend(datasets);
  addAdminOptions(datasets.command("list").description("list datasets")).action((flags: AdminFlags) =>
    withAdmin(flags, async (client) => {
      const page = (pageToken: string) => client.datasets.listDatasets({ pageToken });
      const datasets = await allPages(page, (reply) => reply.datasets);
      print(flags, ListDatasetsResponseSchema, create(ListDatasetsResponseSchema, { datasets }), () => {
        const rows = datasets.map(({ digest, bytes, name, path }) => [digest, String(bytes), name, path]);
        return table(["DIGEST", "BYTES", "NAME", "PATH"], rows, "there are no datasets");
      });
    }),
  );
  addAdminOptions(datasets.command("delete <digest>").description("forget a dataset that nothing refers to")).action(
    (digest: string, flags: AdminFlags) =>
      withAdmin(flags, async (client) => {
        const reply = await client.datasets.deleteDataset({ digest });
        print(flags, DeleteDatasetResponseSchema, reply, () => [`${digest}  deleted`]);
      }),
  );
}

/** @throws AlbertError not-found (FILE_NOT_READABLE) */
async function requireFile(path: string): Promise<void> {
  const refusal = (what: string, cause?: unknown) =>
    new AlbertError("not-found", `${path} ${what}: name a file of this machine`, {
      reason: "FILE_NOT_READABLE",
      cause,
    });
  await access(path, constants.R_OK).catch((cause: unknown) => {
    throw refusal("cannot be read", cause);
  });
  const info = await stat(path);
  if (!info.isFile()) throw refusal("is no file");
  if (info.size === 0) throw refusal("is empty");
}

function printDataset(flags: AdminFlags, dataset: Dataset): void {
  print(flags, DatasetSchema, dataset, () => [`${dataset.digest}  ${dataset.bytes} bytes  ${dataset.name}`]);
}
