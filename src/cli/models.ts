import { toJson } from "@bufbuild/protobuf";
import { type Command, Option } from "commander";
import type { AdminClient } from "../client/admin-client.ts";
import {
  type Alias,
  GateVerdict,
  GetVersionResponseSchema,
  ImportCheckpointResponseSchema,
  ListVersionsResponseSchema,
  type ModelVersion,
  PromoteResponseSchema,
  RollbackResponseSchema,
  type ServingModel,
  SetTrafficResponseSchema,
  type SwapReport,
  TrafficMode,
  VersionState,
  WatchServingResponseSchema,
} from "../gen/albert/v1/models_pb.js";
import { type AdminFlags, addAdminOptions, columns, enumWord, print, wholeNumber, withAdmin } from "./admin-call.ts";

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
      const reply = await client.models.listVersions({ model });
      print(flags, ListVersionsResponseSchema, reply, () => columns([HEADING, ...reply.versions.map(rowOf)]));
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
        ...(gateReport === undefined
          ? ["the gate never ran"]
          : [
              `gate ${enumWord(GateVerdict, gateReport.verdict)}: ${gateReport.metric} ${gateReport.championValue} -> ${gateReport.candidateValue}, difference ${gateReport.differenceLow} to ${gateReport.differenceHigh}, ${gateReport.examples} examples`,
              ...gateReport.findings,
            ]),
      ]);
    }),
  );
  addAdminOptions(
    models.command("import <model> <path>").description("store a checkpoint below a root of the server"),
  ).action((model: string, path: string, flags: AdminFlags) =>
    withAdmin(flags, async (client) => {
      const reply = await client.models.importCheckpoint({ model, path });
      const { version, summary } = reply;
      print(flags, ImportCheckpointResponseSchema, reply, () => [`${version!.model}@${version!.version}`, summary]);
    }),
  );
  addChangeOptions(models.command("promote <model> <version>").description("let a version answer"))
    .option("--override", "although the gate did not pass; needs --reason")
    .action((model: string, version: string, flags: ChangeFlags) =>
      withAdmin(flags, async (client) => {
        const reply = await client.models.promote({
          model,
          version: wholeNumber(version),
          alias: flags.alias,
          expectedGeneration: await expected(client, model, flags),
          overrideGate: flags.override ?? false,
          reason: flags.reason ?? "",
        });
        print(flags, PromoteResponseSchema, reply, () => changed(reply.alias!, reply.report));
      }),
    );
  addChangeOptions(models.command("rollback <model>").description("let the version before answer again")).action(
    (model: string, flags: ChangeFlags) =>
      withAdmin(flags, async (client) => {
        const reply = await client.models.rollback({
          model,
          alias: flags.alias,
          expectedGeneration: await expected(client, model, flags),
          reason: flags.reason ?? "",
        });
        print(flags, RollbackResponseSchema, reply, () => changed(reply.alias!, reply.report));
      }),
  );
  addAdminOptions(models.command("traffic <model> [version]").description("give a challenger a share of the traffic"))
    .addOption(new Option("--mode <mode>", "how").choices(Object.keys(MODES)).default("shadow"))
    .option("--percent <n>", "share of requests", Number, 100)
    .action(
      (model: string, version: string | undefined, flags: AdminFlags & { mode: keyof typeof MODES; percent: number }) =>
        withAdmin(flags, async (client) => {
          const challengerVersion = version === undefined ? 0 : wholeNumber(version);
          const { percent } = flags;
          const reply = await client.models.setTraffic({ model, challengerVersion, mode: MODES[flags.mode], percent });
          print(flags, SetTrafficResponseSchema, reply, () => servingLines(reply.model!));
        }),
    );
  addAdminOptions(models.command("watch [model]").description("show what serves, and each change")).action(
    (model = "", flags: AdminFlags) =>
      withAdmin(flags, async (client) => {
        for await (const reply of client.models.watchServing({ model })) {
          const { update } = reply;
          if (update.case !== "model") continue;
          const text = flags.json
            ? JSON.stringify(toJson(WatchServingResponseSchema, reply, { useProtoFieldName: true }))
            : servingLines(update.value).join("\n");
          process.stdout.write(`${text}\n`);
        }
      }),
  );
}

const MODES = { shadow: TrafficMode.SHADOW, canary: TrafficMode.CANARY, off: TrafficMode.OFF } as const;
const HEADING = ["MODEL", "VERSION", "STATE", "ALIASES", "DIGEST", "METRICS"];

function rowOf({ model, version, state, aliases, digest, metrics }: ModelVersion): string[] {
  const values = Object.entries(metrics).map(([name, value]) => `${name} ${Number(value.toFixed(4))}`);
  return [
    model,
    String(version),
    enumWord(VersionState, state),
    aliases.join(","),
    digest.slice(0, 12),
    values.join("  "),
  ];
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

function changed({ model, name, version, generation }: Alias, report: SwapReport | undefined): string[] {
  const line = `${name} of ${model} is version ${version} (generation ${generation})`;
  if (report === undefined) return [line];
  const seconds = Object.values(report.phaseSeconds).reduce((sum, value) => sum + value, 0);
  return [line, `swapped in ${seconds.toFixed(2)} s, ${report.requestsFailed} failed requests`];
}

function servingLines({
  model,
  versions,
  trafficMode,
  challengerVersion,
  trafficPercent,
  compared,
  disagreed,
}: ServingModel) {
  const traffic =
    trafficMode === TrafficMode.OFF
      ? []
      : [
          `  ${enumWord(TrafficMode, trafficMode)} ${challengerVersion} ${trafficPercent} %: ${disagreed} of ${compared} differ`,
        ];
  return [
    model,
    ...versions.map(
      (version) => `  ${version.version} ${enumWord(VersionState, version.state)} ${version.aliases.join(",")}`,
    ),
    ...traffic,
  ];
}
