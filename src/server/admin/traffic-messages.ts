import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DEFAULT_CONDITIONS, type JudgedRate, type Judgement } from "../../deployment/canary/judge-canary.ts";
import { type FieldViolation, invalidInput } from "../../errors.ts";
import {
  type CanaryConditionsSchema,
  CanaryDecision,
  type CanaryJudgementSchema,
  CanaryVerdict,
  type CanaryConditions as ConditionsMessage,
  type ModelTrafficSchema,
  type SetTrafficRequest,
  TrafficMode,
  type TrafficRuleSchema,
  type VersionChangeSchema,
} from "../../gen/albert/v1/models_pb.js";
import type { AliasChange } from "../../store/aliases.ts";
import type { CanaryConditions, TrafficChange, TrafficRequest, TrafficRule } from "../../store/traffic-rules.ts";

// Converts the traffic of challengers, what is known of canaries, and the history of versions between the program's own terms and
// messages.

const MODES = { shadow: TrafficMode.SHADOW, canary: TrafficMode.CANARY } as const;
const VERDICTS = {
  undecided: CanaryVerdict.UNDECIDED,
  worse: CanaryVerdict.WORSE,
  good: CanaryVerdict.GOOD,
} as const;
const DECISIONS = {
  none: CanaryDecision.NONE,
  rollback: CanaryDecision.ROLLBACK,
  promote: CanaryDecision.PROMOTE,
} as const;

/**
 * What a caller wants of a model's traffic.
 *
 * @returns undefined where the challenger is to get nothing
 * @throws AlbertError invalid-input with every wrong field
 */
export function trafficRequest({
  challengerVersion,
  mode,
  percent,
  conditions,
  reason,
}: SetTrafficRequest): TrafficRequest | undefined {
  if (mode === TrafficMode.OFF) return undefined;
  const violations: FieldViolation[] = [];
  if (mode !== TrafficMode.SHADOW && mode !== TrafficMode.CANARY) {
    violations.push({ field: "mode", description: `must be SHADOW, CANARY or OFF, got ${mode}` });
  }
  if (!(percent >= 0 && percent <= 100)) {
    violations.push({ field: "percent", description: `must be 0 to 100, got ${percent}` });
  }
  if (challengerVersion === 0) violations.push({ field: "challenger_version", description: "is missing" });
  if (conditions !== undefined && mode === TrafficMode.SHADOW) {
    violations.push({
      field: "conditions",
      description: "are for canaries; a shadow answers nobody and is not judged",
    });
  }
  const judged = mode === TrafficMode.CANARY ? readConditions(conditions, percent, violations) : undefined;
  if (judged?.overrideGate && reason.trim() === "") {
    violations.push({ field: "reason", description: "passing over the gate needs a reason" });
  }
  if (violations.length > 0) throw invalidInput(violations);
  return {
    mode: mode === TrafficMode.SHADOW ? "shadow" : "canary",
    version: challengerVersion,
    percent,
    ...(judged === undefined ? {} : { conditions: judged }),
  };
}

function readConditions(
  message: ConditionsMessage | undefined,
  percent: number,
  violations: FieldViolation[],
): CanaryConditions {
  const { decide, alpha, errorRatio, slowRatio, disagreement, minRequests, wrongRatio } = DEFAULT_CONDITIONS;
  // Without requests on the champion there is nothing to compare with.
  const byDefault = percent < 100 ? decide : "none";
  if (message === undefined) return { ...DEFAULT_CONDITIONS, decide: byDefault };
  const refuse = (field: string, description: string) => violations.push({ field: `conditions.${field}`, description });
  const wanted: Readonly<Record<number, CanaryConditions["decide"]>> = {
    [CanaryDecision.UNSPECIFIED]: byDefault,
    [CanaryDecision.NONE]: "none",
    [CanaryDecision.ROLLBACK]: "rollback",
    [CanaryDecision.PROMOTE]: "promote",
  };
  const known = wanted[message.decide];
  if (known === undefined) refuse("decide", `must be NONE, ROLLBACK or PROMOTE, got ${message.decide}`);
  if (known !== undefined && known !== "none" && percent >= 100) {
    refuse("decide", "needs requests that the champion answers: give the canary less than 100 percent");
  }
  const read = {
    decide: known ?? byDefault,
    alpha: message.alpha === 0 ? alpha : message.alpha,
    errorRatio: message.errorRatio === 0 ? errorRatio : message.errorRatio,
    slowRatio: message.slowRatio === 0 ? slowRatio : message.slowRatio,
    disagreement: message.disagreement ?? disagreement,
    minRequests: message.minRequests === 0 ? minRequests : message.minRequests,
    wrongRatio: message.wrongRatio === 0 ? wrongRatio : message.wrongRatio,
    minJudged: message.minJudged,
    overrideGate: message.overrideGate,
  };
  if (!(read.alpha > 0 && read.alpha < 1)) refuse("alpha", `must be above 0 and below 1, got ${read.alpha}`);
  const isRatio = (ratio: number) => Number.isFinite(ratio) && ratio >= 1;
  if (!isRatio(read.errorRatio)) refuse("error_ratio", `must be a number from 1, got ${read.errorRatio}`);
  if (!isRatio(read.slowRatio)) refuse("slow_ratio", `must be a number from 1, got ${read.slowRatio}`);
  if (!isRatio(read.wrongRatio)) refuse("wrong_ratio", `must be a number from 1, got ${read.wrongRatio}`);
  if (!(read.disagreement >= 0 && read.disagreement <= 1)) {
    refuse("disagreement", `must be 0 to 1, got ${read.disagreement}`);
  }
  return read;
}

export function trafficRuleMessage(rule: TrafficRule): MessageInitShape<typeof TrafficRuleSchema> {
  const { generation, mode, version, percent, champion, conditions, changed, reason, actor = "" } = rule;
  return {
    ...{ generation, mode: MODES[mode], version, percent, champion, reason, actor },
    since: timestampFromMs(changed),
    ...(conditions === undefined ? {} : { conditions: conditionsMessage(conditions) }),
  };
}

function conditionsMessage(conditions: CanaryConditions): MessageInitShape<typeof CanaryConditionsSchema> {
  return { ...DEFAULT_CONDITIONS, ...conditions, decide: DECISIONS[conditions.decide] };
}

export function judgementMessage({
  verdict,
  reason,
  criteria,
}: Judgement): MessageInitShape<typeof CanaryJudgementSchema> {
  const rate = ({ events, of, low, high }: JudgedRate) => ({ events, of, low, high });
  return {
    verdict: VERDICTS[verdict],
    reason,
    criteria: criteria.map(({ name, champion, challenger, doubt, cleared }) => ({
      ...{ name, challenger: rate(challenger), doubt: Math.min(1, doubt), cleared },
      ...(champion === undefined ? {} : { champion: rate(champion) }),
    })),
  };
}

/** A model's challenger, and what is known of it. */
export function modelTraffic(
  model: string,
  rule: TrafficRule,
  judgement: Judgement | undefined,
): MessageInitShape<typeof ModelTrafficSchema> {
  return {
    model,
    rule: trafficRuleMessage(rule),
    ...(judgement === undefined ? {} : { judgement: judgementMessage(judgement) }),
  };
}

/** What happened to one version, newest first. */
export function versionHistory(
  version: number,
  aliases: readonly AliasChange[],
  traffic: readonly TrafficChange[],
): MessageInitShape<typeof VersionChangeSchema>[] {
  const ofAliases = aliases
    .filter(({ from, to }) => from !== to && (from === version || to === version))
    .map((change) => ({ ...change, event: `${change.to === version ? "became" : "is no longer"} ${change.alias}` }));
  const ofTraffic = traffic
    .filter((change) => change.version === version)
    .map((change) => ({ ...change, event: `${change.mode} of ${change.percent} % ${ENDS[change.event]}` }));
  return [...ofAliases, ...ofTraffic]
    .sort((a, b) => b.changed - a.changed)
    .map(({ changed, event, reason, actor = "" }) => ({ time: timestampFromMs(changed), event, reason, actor }));
}

const ENDS = { given: "begun", ended: "ended", promoted: "promoted", "rolled-back": "taken back" } as const;
