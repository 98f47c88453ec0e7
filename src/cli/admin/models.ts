import { writeFile } from "node:fs/promises";
import { create, toJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import type { AdminClient } from "../../client/admin-client.ts";
import { CallError } from "../../client/call-error.ts";
import type { PrecisionLoss } from "../../gen/albert/v1/inference_pb.js";
import {
  type Alias,
  type CollectGarbageResponse,
  CollectGarbageResponseSchema,
  type GateReport,
  GateVerdictSchema,
  GetReportResponseSchema,
  GetVersionResponseSchema,
  ImportCheckpointResponseSchema,
  type ListVersionsResponse,
  ListVersionsResponseSchema,
  type ModelVersion,
  PromoteResponseSchema,
  RollbackResponseSchema,
  type SwapReport,
  ValidateVersionResponseSchema,
  type VersionChange,
  VersionStateSchema,
  WatchServingResponseSchema,
} from "../../gen/albert/v1/models_pb.js";
import type { EvaluationReport } from "../../report/evaluation-report.ts";
import { modelCard } from "../../report/render/card.ts";
import { reportLines } from "../../report/render/text.ts";
import { reportFile, writeReport } from "../evaluation/report-file.ts";
import { saidToWait } from "../work-progress.ts";
import {
  type AdminFlags,
  addAdminOptions,
  allPages,
  columns,
  enumWord,
  print,
  table,
  wholeNumber,
  withAdmin,
} from "./admin-call.ts";
import { registerDownload } from "./download.ts";
import { challengeLines, failureLine, outageLine, servingLines } from "./serving-lines.ts";
import { registerTraffic } from "./traffic.ts";

interface ValidateFlags extends AdminFlags {
  readonly task: string;
  readonly dataset?: string;
  readonly path?: string;
}

interface ChangeFlags extends AdminFlags {
  readonly alias: string;
  readonly expect?: number;
  readonly override?: true;
  readonly reason?: string;
}

/** Adds `albert models`: the versions of a running server's store, and which of them answer. */
export function registerModels(program: Command): void {
  const models = program.command("models").description("versions of a running server, and which of them answer");
  addAdminOptions(models.command("list [model]").description("list versions")).action((model = "", flags: AdminFlags) =>
    withAdmin(flags, async (client) => {
      const replies: ListVersionsResponse[] = [];
      const page = async (pageToken: string) => {
        const reply = await client.models.listVersions({ model, pageToken });
        replies.push(reply);
        return reply;
      };
      const versions = await allPages(page, (reply) => reply.versions);
      const { aliases, outages, traffic } = replies[0]!;
      const all = create(ListVersionsResponseSchema, { versions, aliases, outages, traffic });
      const nothing = model === "" ? "there are no models" : `there are no versions of ${model}`;
      print(flags, ListVersionsResponseSchema, all, () => [
        ...table(HEADING, versions.map(rowOf), nothing),
        ...versions.flatMap(failureLine),
        ...outages.map(outageLine),
        ...traffic.flatMap(challengeLines),
      ]);
    }),
  );
  addAdminOptions(
    models.command("get <model> [version]").description("show a version by number, alias or digest"),
  ).action((model: string, version = "", flags: AdminFlags) =>
    withAdmin(flags, async (client) => {
      const reply = await client.models.getVersion({ model, version });
      const { lineage, gateReport } = reply;
      print(flags, GetVersionResponseSchema, reply, () => [
        ...columns([HEADING, rowOf(reply.version!)]),
        ...(lineage?.jobId ? [`made by job ${lineage.jobId} from ${lineage.parent.slice(0, 12)}`] : []),
        ...(lineage?.teacher ? [`learnt from ${lineage.teacher.slice(0, 12)}`] : []),
        ...(gateReport === undefined ? ["the gate never ran"] : gateLines(gateReport)),
        ...reply.version!.precisionLosses.map(lossLine),
        ...reply.history.map(historyLine),
      ]);
    }),
  );
  addAdminOptions(models.command("validate").argument("<model>").argument("<version>", "its number", wholeNumber))
    .description("let a version and the champion answer the same data, and keep the report")
    .requiredOption("--task <task>", "layout of the data, as for albert train")
    .option("--dataset <digest>", "data set of the store")
    .option("--path <path>", "file below a data root of the server")
    .action((model: string, version: number, { task, dataset = "", path = "", ...flags }: ValidateFlags) =>
      withAdmin(flags, async (client) => {
        const validated = client.models.validateVersion({ model, version, task, dataset, path });
        const reply = await saidToWait("the server evaluates", validated);
        const { precisionLoss } = reply.report!;
        print(flags, ValidateVersionResponseSchema, reply, () => [
          ...gateLines(reply.report!),
          ...(precisionLoss === undefined ? [] : [lossLine(precisionLoss)]),
        ]);
      }),
    );
  addAdminOptions(models.command("report").argument("<version>", "as name@7 or name/champion; a name alone: champion"))
    .description("show the newest evaluation report kept with a version: where it is wrong")
    .option("--output <file>", "write it there: .html, a page that needs nothing else, or .json", reportFile)
    .action((reference: string, flags: AdminFlags & { readonly output?: string }) =>
      withAdmin(flags, async (client) => {
        const [model = "", version = ""] = reference.split(/[@/]/);
        const reply = await client.models.getReport({ model, version });
        const report = JSON.parse(reply.reportJson) as EvaluationReport; // the server's own
        if (flags.output !== undefined) await writeReport(report, flags.output);
        print(flags, GetReportResponseSchema, reply, () => [
          `${reply.model}@${reply.version} on ${reply.examples} examples of ${report.data.name ?? reply.dataset.slice(0, 12)} (${reply.task})`,
          "",
          ...reportLines(report),
          ...(flags.output === undefined ? [] : [`report: ${flags.output}`]),
        ]);
      }),
    );
  addAdminOptions(models.command("card").argument("<version>", "as name@7 or name/champion; a name alone: champion"))
    .description("make a model card in Markdown of a version's manifest and its newest report")
    .option("--output <file>", "write it there, and not to standard output")
    .action((reference: string, flags: AdminFlags & { readonly output?: string }) =>
      withAdmin(flags, async (client) => {
        const [model = "", wanted = ""] = reference.split(/[@/]/);
        const { version, manifestJson } = await client.models.getVersion({ model, version: wanted });
        const number = String(version!.version);
        const report = await client.models.getReport({ model, version: number }).catch((error: unknown) => {
          if (error instanceof CallError && error.reason === "REPORT_NOT_FOUND") return undefined;
          throw error;
        });
        const card = modelCard({
          ...{ name: `${model}@${number}`, digest: version!.digest, manifest: JSON.parse(manifestJson) },
          ...(report === undefined ? {} : { report: JSON.parse(report.reportJson) }),
        });
        if (flags.output !== undefined) await writeFile(flags.output, card);
        const file = flags.output === undefined ? {} : { output: flags.output };
        process.stdout.write(
          flags.json
            ? `${JSON.stringify({ card, ...file }, null, 2)}\n`
            : flags.output === undefined
              ? card
              : `${flags.output}\n`,
        );
      }),
    );
  registerDownload(models);
  addAdminOptions(
    models.command("import <model> <path>").description("store a checkpoint below a root of the server"),
  ).action((model: string, path: string, flags: AdminFlags) =>
    withAdmin(flags, async (client) => {
      const reply = await saidToWait(
        "the server reads the checkpoint",
        client.models.importCheckpoint({ model, path }),
      );
      const { version, summary } = reply;
      print(flags, ImportCheckpointResponseSchema, reply, () => [`${version!.model}@${version!.version}`, summary]);
    }),
  );
  addChangeOptions(models.command("promote").argument("<model>").argument("<version>", "its number", wholeNumber))
    .description("let a version answer")
    .option("--override", "although the gate did not pass; needs --reason")
    .action((model: string, version: number, flags: ChangeFlags) =>
      withAdmin(flags, async (client) => {
        const reply = await saidToWait(
          "the server loads and warms the version",
          client.models.promote({
            model,
            version,
            alias: flags.alias,
            expectedGeneration: await expected(client, model, flags),
            overrideGate: flags.override ?? false,
            reason: flags.reason ?? "",
          }),
        );
        print(flags, PromoteResponseSchema, reply, () => changed(reply.alias!, reply.report, reply.unchanged));
      }),
    );
  addChangeOptions(models.command("rollback <model>").description("let the version before answer again")).action(
    (model: string, flags: ChangeFlags) =>
      withAdmin(flags, async (client) => {
        const reply = await saidToWait(
          "the server loads and warms the version",
          client.models.rollback({
            model,
            alias: flags.alias,
            expectedGeneration: await expected(client, model, flags),
            reason: flags.reason ?? "",
          }),
        );
        print(flags, RollbackResponseSchema, reply, () => changed(reply.alias!, reply.report));
      }),
  );
  registerTraffic(models);
  addAdminOptions(models.command("gc").description("remove versions and files that nothing keeps from the store"))
    .option("--dry-run", "only say what would be removed")
    .action((flags: AdminFlags & { readonly dryRun?: true }) =>
      withAdmin(flags, async (client) => {
        const reply = await client.models.collectGarbage({ dryRun: flags.dryRun ?? false });
        print(flags, CollectGarbageResponseSchema, reply, () => collectedLines(reply, flags.dryRun ?? false));
      }),
    );
  addAdminOptions(models.command("watch [model]").description("show what serves, and each change")).action(
    (model = "", flags: AdminFlags) =>
      withAdmin(flags, async (client) => {
        for await (const reply of client.models.watchServing({ model })) {
          const { update } = reply;
          if (update.case !== "model") continue;
          const text = flags.json
            ? JSON.stringify(toJson(WatchServingResponseSchema, reply, { alwaysEmitImplicit: true }))
            : servingLines(update.value).join("\n");
          process.stdout.write(`${text}\n`);
        }
      }),
  );
}

const HEADING = ["MODEL", "VERSION", "STATE", "ALIASES", "DIGEST", "METRICS"];

function rowOf({ model, version, state, aliases, digest, metrics, precisionLosses }: ModelVersion): string[] {
  const values = Object.entries(metrics).map(([name, value]) => `${name} ${rounded(value)}`);
  return [
    model,
    String(version),
    enumWord(VersionStateSchema, state),
    aliases.join(","),
    digest.slice(0, 12),
    [
      ...values,
      ...precisionLosses.map(
        ({ format, changedAnswers, examples }) => `${format} changes ${changedAnswers} of ${examples}`,
      ),
    ].join("  "),
  ];
}

/** Such as "2026-11-27 10:00:00Z became champion (ops): better on the new set". */
function historyLine({ time, event, reason, actor }: VersionChange): string {
  const when = time === undefined ? "" : `${timestampDate(time).toISOString().slice(0, 19).replace("T", " ")}Z `;
  return `${when}${event}${actor === "" ? "" : ` (${actor})`}${reason === "" ? "" : `: ${reason}`}`;
}

function gateLines(report: GateReport): string[] {
  const { verdict, metric, championValue, candidateValue, differenceLow, differenceHigh, examples } = report;
  return [
    `gate ${enumWord(GateVerdictSchema, verdict)}: ${metric} ${championValue} -> ${candidateValue}, difference ${differenceLow} to ${differenceHigh}, ${examples} examples`,
    ...report.findings,
  ];
}

/** What fewer bits change, such as "int8 products change 3 of 872 answers (sst-2): eval_accuracy 0.905 -> 0.9037". */
function lossLine({ of, format, task, examples, changedAnswers, before, after }: PrecisionLoss): string {
  const metrics = Object.entries(before).map(
    ([name, value]) => `${name} ${rounded(value)} -> ${rounded(after[name]!)}`,
  );
  return `${format} ${of} change ${changedAnswers} of ${examples} answers (${task}): ${metrics.join(", ")}`;
}

function rounded(value: number): number {
  return Number(value.toFixed(4));
}

function addChangeOptions(command: Command): Command {
  return addAdminOptions(command)
    .option("--alias <name>", "alias to move", "champion")
    .option("--expect <generation>", "generation the alias must have (default: the present one)", wholeNumber)
    .option("--reason <text>", "why; kept with the change");
}

/** The generation that a person saw, or the one that is there now. */
async function expected({ models }: AdminClient, model: string, { alias, expect }: ChangeFlags): Promise<number> {
  if (expect !== undefined) return expect;
  const { aliases } = await models.listVersions({ model });
  return aliases.find(({ name }) => name === alias)?.generation ?? 0;
}

function changed(
  { model, name, version, generation }: Alias,
  report: SwapReport | undefined,
  unchanged = false,
): string[] {
  const line = unchanged
    ? `${name} of ${model} is version ${version} already (generation ${generation}): nothing changed`
    : `${name} of ${model} is version ${version} (generation ${generation})`;
  if (report === undefined) return [line];
  const seconds = Object.values(report.phaseSeconds).reduce((sum, value) => sum + value, 0);
  return [line, `swapped in ${seconds.toFixed(2)} s, ${report.requestsFailed} failed requests`];
}

function collectedLines({ versions, files, bytes }: CollectGarbageResponse, dryRun: boolean): string[] {
  const verb = dryRun ? "would remove" : "removed";
  if (versions.length + files === 0) return [`${verb} nothing`];
  return [
    ...versions.map(({ model, version, digest }) => `${verb} ${model}@${version} ${digest.slice(0, 12)}`),
    `${verb} ${files} ${files === 1 ? "file" : "files"}, ${(bytes / 1e6).toFixed(1)} MB`,
  ];
}
