import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Judgement } from "../../deployment/canary/judge-canary.ts";
import type { GateReport, PrecisionLoss } from "../../deployment/gate/gate-report.ts";
import {
  type AliasSchema,
  BetterVersion,
  type CompareVersionsResponseSchema,
  type GateReportSchema,
  GateVerdict,
  type GetReportResponseSchema,
  type ModelVersionSchema,
  type OutageSchema,
  type ServingModelSchema,
  type SwapReportSchema,
  TrafficMode,
  VersionState,
} from "../../gen/albert/v1/models_pb.js";
import type { ModelComparison } from "../../report/comparison/model-comparison.ts";
import type { EvaluationReport } from "../../report/evaluation-report.ts";
import {
  type VersionState as LiveState,
  type ModelStatus,
  outageOf,
  type SwapReport,
} from "../../serving/models/status.ts";
import type { Alias, ModelAliases } from "../../store/aliases.ts";
import type { ModelVersion } from "../../store/versions.ts";
import { OUTAGE_STATES, precisionLosses, precisionLossMessage } from "../inference/models.ts";
import { judgementMessage, trafficRuleMessage } from "./traffic-messages.ts";

// Converts versions, aliases, gate reports and swap reports to the messages of the administrators' services.

export function timestamp(milliseconds: number): Timestamp {
  return timestampFromMs(milliseconds);
}

/**
 * A stored version with its aliases and, where this process has loaded it, its state.
 *
 * @param loss  what the precision that serves changes in its answers, where that was measured
 */
export function versionMessage(
  stored: ModelVersion,
  aliases: readonly Alias[],
  status: ModelStatus | undefined,
  loss?: PrecisionLoss,
): MessageInitShape<typeof ModelVersionSchema> {
  const state = status?.versions.find(({ version }) => version === String(stored.version))?.state;
  return {
    model: stored.model,
    version: stored.version,
    digest: stored.digest,
    state: versionState(state),
    aliases: aliases.filter(({ version }) => version === stored.version).map(({ name }) => name),
    metrics: { ...stored.manifest.metrics },
    created: timestamp(stored.created),
    bytes: stored.bytes,
    failure: state?.kind === "failed" ? state.message : "",
    precisionLosses: precisionLosses(stored.manifest, loss),
  };
}

export function aliasMessage({
  model,
  name,
  version,
  generation,
  actor = "",
}: Alias): MessageInitShape<typeof AliasSchema> {
  return { model, name, version, generation, actor };
}

export function gateReportMessage(report: GateReport): MessageInitShape<typeof GateReportSchema> {
  const verdicts = { pass: GateVerdict.PASS, fail: GateVerdict.FAIL, inconclusive: GateVerdict.INCONCLUSIVE };
  return {
    id: report.id,
    verdict: verdicts[report.verdict],
    metric: report.metric,
    championValue: report.championValue ?? 0,
    candidateValue: report.candidateValue,
    differenceLow: report.difference?.[0] ?? 0,
    differenceHigh: report.difference?.[1] ?? 0,
    ...(report.mcnemarP === undefined ? {} : { mcnemarP: report.mcnemarP }),
    examples: report.examples,
    dataset: report.dataset,
    findings: [...report.findings],
    ...(report.precisionLoss === undefined ? {} : { precisionLoss: precisionLossMessage(report.precisionLoss) }),
  };
}

/** The evaluation report that is kept with a version. */
export function reportMessage(
  { model, version }: Pick<ModelVersion, "model" | "version">,
  report: EvaluationReport,
): MessageInitShape<typeof GetReportResponseSchema> {
  return {
    model,
    version,
    task: report.task,
    dataset: report.data.digest ?? "",
    examples: report.data.judged,
    figures: report.figures.map(({ name, value, low, high }) => ({ name, value, low, high })),
    findings: [...report.findings],
    reportJson: JSON.stringify(report),
  };
}

export function comparisonMessage(compared: ModelComparison): MessageInitShape<typeof CompareVersionsResponseSchema> {
  const better = { before: BetterVersion.BEFORE, after: BetterVersion.AFTER, neither: BetterVersion.NEITHER };
  const { metric, examples, before, after, difference, mcnemarP, agreement, fixed, broken, findings } = compared;
  return {
    ...{ metric, examples, before, after },
    differenceLow: difference[0],
    differenceHigh: difference[1],
    ...(mcnemarP === undefined ? {} : { mcnemarP }),
    better: better[compared.better],
    ...(agreement === undefined ? {} : { agreement }),
    fixedRows: fixed.rows,
    fixed: [...fixed.list],
    brokenRows: broken.rows,
    broken: [...broken.list],
    findings: [...findings],
  };
}

export function swapReportMessage(report: SwapReport): MessageInitShape<typeof SwapReportSchema> {
  return {
    model: report.name,
    fromVersion: Number(report.from ?? 0),
    toVersion: Number(report.to),
    phaseSeconds: { ...report.phaseSeconds },
    p99BeforeMs: report.p99BeforeMs ?? 0,
    p99DuringMs: report.p99DuringMs ?? 0,
    p99AfterMs: report.p99AfterMs ?? 0,
    rssBeforeBytes: report.rssBeforeBytes,
    rssAfterBytes: report.rssAfterBytes ?? 0,
    requestsFailed: report.requestsFailed,
    time: timestamp(report.timeMs),
  };
}

/** Why nothing answers under a name; undefined where something does. */
export function outageMessage(status: ModelStatus): MessageInitShape<typeof OutageSchema> | undefined {
  const outage = outageOf(status);
  if (outage === undefined) return undefined;
  const { state, failure } = outage;
  return {
    model: status.name,
    state: OUTAGE_STATES[state],
    failure: failure?.reason ?? "",
    message: failure?.message ?? "",
  };
}

/** What serves under a name; versions are those in memory. @param judgement  of its canary, if it has one */
export function servingMessage(
  status: ModelStatus,
  stored: readonly ModelVersion[],
  record: ModelAliases,
  judgement: Judgement | undefined,
): MessageInitShape<typeof ServingModelSchema> {
  const aliases = Object.values(record.aliases);
  const { rule, generation } = record.traffic;
  const inMemory = new Set(status.versions.map(({ version }) => version));
  const { traffic, comparison, lastSwap } = status;
  const outage = outageMessage(status);
  return {
    model: status.name,
    versions: stored
      .filter(({ version }) => inMemory.has(String(version)))
      .map((version) => versionMessage(version, aliases, status)),
    aliases: aliases.map(aliasMessage),
    trafficMode: traffic === undefined ? TrafficMode.OFF : TRAFFIC_MODES[traffic.mode],
    challengerVersion: Number(traffic?.version ?? 0),
    trafficPercent: traffic?.percent ?? 0,
    compared: comparison?.compared ?? 0,
    disagreed: comparison?.disagreed ?? 0,
    ...(lastSwap === undefined ? {} : { lastSwap: swapReportMessage(lastSwap) }),
    ...(outage === undefined ? {} : { outage }),
    ...(rule === undefined ? {} : { traffic: trafficRuleMessage(rule) }),
    ...(judgement === undefined ? {} : { judgement: judgementMessage(judgement) }),
    trafficGeneration: generation,
  };
}

const TRAFFIC_MODES = { shadow: TrafficMode.SHADOW, canary: TrafficMode.CANARY } as const;

function versionState(state: LiveState | undefined): VersionState {
  switch (state?.kind) {
    case undefined:
      return VersionState.STORED;
    case "loading":
      return VersionState.LOADING;
    case "warming":
      return VersionState.WARMING;
    case "standby":
      return VersionState.STANDBY;
    case "serving":
      return VersionState.SERVING;
    case "shadow":
      return VersionState.SHADOW;
    case "canary":
      return VersionState.CANARY;
    case "draining":
      return VersionState.DRAINING;
    case "failed":
      return VersionState.FAILED;
  }
}
