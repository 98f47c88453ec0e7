import { ModelStateSchema } from "../../gen/albert/v1/inference_pb.js";
import {
  type CanaryJudgement,
  CanaryVerdictSchema,
  type JudgedCriterion,
  type JudgedRate,
  type ModelTraffic,
  type ModelVersion,
  type Outage,
  type ServingModel,
  TrafficMode,
  TrafficModeSchema,
  VersionStateSchema,
} from "../../gen/albert/v1/models_pb.js";
import { enumWord } from "./admin-call.ts";

// What serves under a name, and what is known of its challenger, as lines for a person.

/** Why a version could not be loaded, while another one may serve. */
export function failureLine({ model, version, failure }: ModelVersion): string[] {
  return failure === "" ? [] : [`${model}@${version} could not be loaded: ${failure}`];
}

/** That nothing answers under a name, and why. */
export function outageLine({ model, state, failure, message }: Outage): string {
  const why = failure === "" ? enumWord(ModelStateSchema, state) : `${failure}: ${message}`;
  return `${model} does not serve: ${why}`;
}

/** A model's challenger, and what is known of it. */
export function challengeLines({ model, rule, judgement }: ModelTraffic): string[] {
  if (rule === undefined) return [];
  const { mode, version, percent, champion, reason } = rule;
  const what = `${enumWord(TrafficModeSchema, mode)} of ${percent} % against version ${champion}`;
  return [
    `${model}@${version} is a ${what}${reason === "" ? "" : `: ${reason}`}`,
    ...(judgement === undefined ? [] : judgementLines(judgement).map((line) => `  ${line}`)),
  ];
}

export function servingLines(serving: ServingModel): string[] {
  const { model, versions, outage, judgement } = serving;
  return [
    model,
    ...versions.map(
      (version) => `  ${version.version} ${enumWord(VersionStateSchema, version.state)} ${version.aliases.join(",")}`,
    ),
    ...versions.flatMap(failureLine).map((line) => `  ${line}`),
    ...(outage === undefined ? [] : [`  ${outageLine(outage)}`]),
    ...trafficLines(serving).map((line) => `  ${line}`),
    ...(judgement === undefined ? [] : judgementLines(judgement).map((line) => `  ${line}`)),
  ];
}

function trafficLines({ traffic, trafficMode, challengerVersion, trafficPercent, compared, disagreed }: ServingModel) {
  const here =
    trafficMode === TrafficMode.OFF
      ? []
      : [
          `${enumWord(TrafficModeSchema, trafficMode)} ${challengerVersion} ${trafficPercent} %: ${disagreed} of ${compared} differ`,
        ];
  // The store's rule may be newer than what this server does.
  if (traffic === undefined || (traffic.mode === trafficMode && traffic.version === challengerVersion)) return here;
  const mode = enumWord(TrafficModeSchema, traffic.mode);
  return [...here, `${mode} ${traffic.version} ${traffic.percent} % by the store; not yet here`];
}

function judgementLines({ verdict, reason, criteria }: CanaryJudgement): string[] {
  return [`judged ${enumWord(CanaryVerdictSchema, verdict)}: ${reason}`, ...criteria.map(criterionLine)];
}

/** Such as "failed  0 of 120 (0.0 to 8.1 %), champion 2 of 1080 (0.0 to 1.2 %); doubt 0.02". */
function criterionLine({ name, champion, challenger, doubt, cleared }: JudgedCriterion): string {
  const beside = champion === undefined ? "" : `, champion ${rateText(champion)}`;
  const state = cleared ? "cleared" : `doubt ${doubt.toFixed(2)}`;
  return `${name.padEnd(7)} ${challenger === undefined ? "" : rateText(challenger)}${beside}; ${state}`;
}

function rateText({ events, of, low, high }: JudgedRate): string {
  return `${events} of ${of} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)} %)`;
}
