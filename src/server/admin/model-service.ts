import { createReadStream } from "node:fs";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Caller } from "../../access/caller.ts";
import { judgementOf } from "../../deployment/canary/canary-judge.ts";
import type { Deployed, Deployment } from "../../deployment/deployment.ts";
import type { GateReport } from "../../deployment/gate/gate-report.ts";
import { latestGateReport, type PrecisionLoss } from "../../deployment/gate/gate-report.ts";
import { latestEvaluation } from "../../deployment/gate/kept-reports.ts";
import { AlbertError, invalidInput } from "../../errors.ts";
import type { ModelService, ModelTrafficSchema, PromoteRequest } from "../../gen/albert/v1/models_pb.js";
import type { ModelComparison } from "../../report/comparison/model-comparison.ts";
import type { AnswerSample } from "../../serving/feedback/answer-sample.ts";
import type { ModelRegistry } from "../../serving/models/registry.ts";
import type { ModelStatus } from "../../serving/models/status.ts";
import type { Alias } from "../../store/aliases.ts";
import type { GcReport } from "../../store/gc.ts";
import type { Store } from "../../store/store.ts";
import { type ModelVersion, versionName } from "../../store/versions.ts";
import type { ServiceHandlers } from "../call/call.ts";
import {
  aliasMessage,
  comparisonMessage,
  gateReportMessage,
  outageMessage,
  reportMessage,
  servingMessage,
  swapReportMessage,
  timestamp,
  versionMessage,
} from "./conversions.ts";
import { feedbackCalls } from "./feedback.ts";
import { heartbeatMs, withHeartbeats } from "./heartbeats.ts";
import { page } from "./paging.ts";
import { modelTraffic, trafficRequest, versionHistory } from "./traffic-messages.ts";

// The handlers of `albert.v1.ModelService`. They translate messages; deployment and store do the work.

/** Of a file that is sent: well below what a message may hold. */
const PIECE_BYTES = 1 << 18;

export interface ModelServiceOptions {
  readonly store: Store;
  readonly live: ModelRegistry;
  /** Answers that wait to be judged; absent where none are kept. */
  readonly sample: AnswerSample | undefined;
  readonly deployment: Deployment;
  /** Turns a checkpoint below a configured root into a stored version; says what was loaded, missing and unused. */
  readonly importCheckpoint: (
    model: string,
    path: string,
  ) => Promise<{ readonly version: ModelVersion; readonly summary: string }>;
  /** Removes from the store what nothing keeps, or only says what that is. */
  readonly collectGarbage: (dryRun: boolean) => Promise<GcReport>;
  /** What the precision that serves changes in a version's answers, where the gate measured it. */
  readonly precisionLoss: (version: ModelVersion) => Promise<PrecisionLoss | undefined>;
  /** Compares two versions on one data set. */
  readonly compare: (
    request: {
      readonly before: ModelVersion;
      readonly after: ModelVersion;
      readonly task: string;
      readonly dataset: string;
      readonly path: string;
    },
    signal: AbortSignal,
  ) => Promise<ModelComparison>;
  /** Compares a version with the champion and stores the gate's report, unless the signal is aborted before. */
  readonly runGate: (
    request: {
      readonly model: string;
      readonly version: number;
      readonly task: string;
      readonly dataset: string;
      readonly path: string;
    },
    signal: AbortSignal,
  ) => Promise<GateReport>;
}

/** Which versions exist and which of them answers: every call of `albert.v1.ModelService`. */
export function modelService(options: ModelServiceOptions): ServiceHandlers<typeof ModelService> {
  const { store, live, deployment } = options;

  const message = async (stored: ModelVersion, aliases: readonly Alias[]) => {
    const status = statusOf(live, stored.model);
    // Of what is not loaded it does not matter, and most versions of a long list are not.
    const isLoaded = status?.versions.some(({ version }) => version === String(stored.version)) === true;
    return versionMessage(stored, aliases, status, isLoaded ? await options.precisionLoss(stored) : undefined);
  };

  const describe = async (stored: ModelVersion) => message(stored, await aliasesOf(store, stored.model));

  const serving = async (status: ModelStatus) => {
    const record = await store.aliases.list(status.name);
    const judgement = await judgementOf(store, status.name, record.traffic.rule);
    return servingMessage(status, await store.versions.list(status.name), record, judgement);
  };

  return {
    ...feedbackCalls(options),
    async listVersions(request) {
      const models = request.model === "" ? (await store.versions.models()).sort() : [request.model];
      const versions: ModelVersion[] = [];
      const aliases: Alias[] = [];
      const challenged: MessageInitShape<typeof ModelTrafficSchema>[] = [];
      for (const model of models) {
        versions.push(...(await store.versions.list(model)));
        const record = await store.aliases.list(model);
        aliases.push(...Object.values(record.aliases));
        const { rule } = record.traffic;
        if (rule !== undefined) challenged.push(modelTraffic(model, rule, await judgementOf(store, model, rule)));
      }
      const { items, nextPageToken } = page(versions, request);
      return {
        versions: await Promise.all(
          items.map((stored) =>
            message(
              stored,
              aliases.filter(({ model }) => model === stored.model),
            ),
          ),
        ),
        aliases: aliases.map(aliasMessage),
        traffic: challenged,
        nextPageToken,
        outages: live
          .list()
          .filter(({ name }) => request.model === "" || name === request.model)
          .flatMap((status) => outageMessage(status) ?? []),
      };
    },

    async getVersion({ model, version }) {
      const stored = await store.resolve(model, version);
      const report = await latestGateReport(store.versions, model, stored.version);
      const { lineage } = stored.manifest;
      const { traffic } = await store.aliases.list(model);
      return {
        version: await describe(stored),
        manifestJson: JSON.stringify(stored.manifest),
        lineage: {
          parent: lineage?.parent ?? "",
          teacher: lineage?.teacher ?? "",
          datasets: { ...lineage?.datasets },
          recipeJson: lineage?.recipe === undefined ? "" : JSON.stringify(lineage.recipe),
          program: lineage?.program ?? "",
          jobId: lineage?.jobId ?? "",
        },
        ...(report === undefined ? {} : { gateReport: gateReportMessage(report) }),
        history: versionHistory(stored.version, await store.aliases.history(model), traffic.history),
      };
    },

    async *downloadVersion({ model, version }) {
      const stored = await store.resolve(model, version);
      const directory = await store.versions.materialise(stored);
      for (const [file, { sha256, bytes }] of Object.entries(stored.files)) {
        const about = { version: stored.version, file, bytes: BigInt(bytes), sha256 };
        if (bytes === 0) yield { ...about, data: new Uint8Array(0) };
        const pieces = createReadStream(join(directory, file), { highWaterMark: PIECE_BYTES });
        for await (const data of pieces as AsyncIterable<Uint8Array>) yield { ...about, data };
      }
    },

    async importCheckpoint({ model, path }) {
      const { version, summary } = await options.importCheckpoint(model, path);
      return { version: await describe(version), summary };
    },

    async validateVersion({ model, version, task, dataset, path }, { signal }) {
      requireOne({ dataset, path });
      return { report: gateReportMessage(await options.runGate({ model, version, task, dataset, path }, signal)) };
    },

    async getReport({ model, version }) {
      const stored = await store.resolve(model, version);
      const report = await latestEvaluation(store.versions, stored);
      if (report !== undefined) return reportMessage(stored, report);
      const message = `no evaluation report is kept with ${versionName(stored)}: albert models validate, or a job, makes one`;
      throw new AlbertError("not-found", message, {
        reason: "REPORT_NOT_FOUND",
        metadata: { model, version: String(stored.version) },
      });
    },

    async compareVersions({ before, after, task, dataset, path }, { signal }) {
      requireOne({ dataset, path });
      const [first, second] = [
        await store.resolve(...referenceOf(before, "before")),
        await store.resolve(...referenceOf(after, "after")),
      ];
      const request = { before: first, after: second, task, dataset, path };
      return comparisonMessage(await options.compare(request, signal));
    },

    async loadVersion({ model, version }) {
      return { version: await describe(await deployment.load(model, version)) };
    },

    async unloadVersion({ model, version }) {
      return { version: await describe(await deployment.unload(model, version)) };
    },

    async promote(request, { caller }) {
      const deployed = await deployment.promote(request.model, request.version, {
        ...promoteOptions(request),
        ...actorOf(caller),
      });
      return { ...deployedMessage(deployed), unchanged: deployed.unchanged };
    },

    async rollback({ model, alias, expectedGeneration, reason }, { caller }) {
      const deployed = await deployment.rollback(model, {
        ...(alias === "" ? {} : { alias }),
        expectedGeneration,
        reason,
        ...actorOf(caller),
      });
      return deployedMessage(deployed);
    },

    async setTraffic(request, { caller }) {
      const { model, expectedGeneration, reason } = request;
      const update = {
        reason,
        ...actorOf(caller),
        ...(expectedGeneration === undefined ? {} : { expectedGeneration }),
      };
      await deployment.setTraffic(model, trafficRequest(request), update);
      return { model: await serving(statusOf(live, model) ?? { name: model, generation: 0, versions: [] }) };
    },

    async collectGarbage({ dryRun }) {
      const { removedVersions, removedBlobs, freedBytes } = await options.collectGarbage(dryRun);
      return { versions: [...removedVersions], files: removedBlobs, bytes: freedBytes };
    },

    async *watchServing({ model, heartbeatSeconds }, { signal, draining }) {
      const ended = AbortSignal.any([signal, draining]);
      const changes = live.watch(ended, model === "" ? undefined : model);
      for await (const beat of withHeartbeats(changes, heartbeatMs(heartbeatSeconds))) {
        yield beat.kind === "heartbeat"
          ? { update: { case: "heartbeat", value: timestamp(beat.timeMs) } }
          : { update: { case: "model", value: await serving(beat.value) } };
      }
    },
  };
}

/** The model and the version of "name@7", "name/champion" or "name". */
function referenceOf(text: string, field: string): [model: string, version: string] {
  const [, model, version = ""] = /^([^@/]+)(?:[@/]([^@/]+))?$/.exec(text) ?? [];
  if (model !== undefined) return [model, version];
  const description = `expected "name@7", "name/champion" or a name, got ${JSON.stringify(text)}`;
  throw invalidInput([{ field, description }]);
}

function actorOf(caller: Caller | undefined): { readonly actor?: string } {
  return caller === undefined ? {} : { actor: caller.name };
}

async function aliasesOf(store: Store, model: string): Promise<Alias[]> {
  return Object.values((await store.aliases.list(model)).aliases);
}

function statusOf(live: ModelRegistry, model: string): ModelStatus | undefined {
  return live.list().find(({ name }) => name === model);
}

function promoteOptions({ alias, expectedGeneration, overrideGate, reason }: PromoteRequest) {
  return { ...(alias === "" ? {} : { alias }), expectedGeneration, overrideGate, reason };
}

function deployedMessage({ alias, report }: Deployed) {
  return { alias: aliasMessage(alias), ...(report === undefined ? {} : { report: swapReportMessage(report) }) };
}

function requireOne({ dataset, path }: { readonly dataset: string; readonly path: string }): void {
  if ((dataset === "") === (path === "")) {
    throw new AlbertError("invalid-input", "dataset: give either a dataset or a path", {
      reason: "FIELD_INVALID",
      violations: [{ field: "dataset", description: "give either a dataset or a path" }],
    });
  }
}
