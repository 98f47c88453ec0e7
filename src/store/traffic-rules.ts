import { randomUUID } from "node:crypto";

// What a model's record says of the traffic of a challenger: the rule that holds, and the changes of it. Pure; the record
// changes in `aliases.ts`.

/** What may be done without a person when the evidence on a canary suffices. */
export type CanaryDecision = "none" | "rollback" | "promote";

/** By what a canary is judged, from its first request to its last. */
export interface CanaryConditions {
  /** `promote` includes `rollback`. */
  readonly decide: CanaryDecision;
  /** Probability, over the whole life of a canary that is as good as the champion, of taking it back all the same. */
  readonly alpha: number;
  /** The challenger may fail this many times as often as the champion. */
  readonly errorRatio: number;
  /** The challenger's answers may be slow this many times as often as the champion's. */
  readonly slowRatio: number;
  /** Share of requests that the two may decide differently, 0 to 1. */
  readonly disagreement: number;
  /** Requests that the challenger answers before it may be promoted. */
  readonly minRequests: number;
  /** Of the answers that people judge, the challenger's may be wrong this many times as often as the champion's. */
  readonly wrongRatio: number;
  /** Answers of the challenger that people judge before it may be promoted. */
  readonly minJudged: number;
  /** Promote although the gate did not pass. */
  readonly overrideGate: boolean;
}

/** A challenger's share of a model's requests, on every server that shares the store. */
export interface TrafficRule {
  /** Names this rule; evidence belongs to one rule alone. */
  readonly id: string;
  /** Grows by one with each change of the model's traffic, its end too. */
  readonly generation: number;
  /** `shadow`: the champion answers, the challenger is compared. `canary`: the challenger answers. */
  readonly mode: "shadow" | "canary";
  readonly version: number;
  /** Share of requests, 0 to 100. */
  readonly percent: number;
  /** The version that it challenges. */
  readonly champion: number;
  /** Present for a canary. */
  readonly conditions?: CanaryConditions;
  /** Milliseconds since 1970. */
  readonly changed: number;
  readonly reason: string;
  readonly actor?: string;
}

/** What a caller asks for. */
export type TrafficRequest = Pick<TrafficRule, "mode" | "version" | "percent" | "conditions">;

/** `given`: a rule began. The others say how one ended. */
export type TrafficEvent = "given" | "ended" | "promoted" | "rolled-back";

/** One change of a model's traffic. */
export interface TrafficChange extends Pick<TrafficRule, "generation" | "mode" | "version" | "percent" | "champion"> {
  readonly event: TrafficEvent;
  readonly changed: number;
  readonly reason: string;
  readonly actor?: string;
}

/** The part of a model's record that is about traffic; absent in the records of release 0.1.0. */
export interface TrafficState {
  /** Of the last change; 0 before the first. */
  readonly generation: number;
  readonly rule?: TrafficRule;
  /** Oldest first. */
  readonly history: readonly TrafficChange[];
}

/** Why, when and by whom something changes. */
export type Why = Pick<TrafficChange, "changed" | "reason" | "actor">;

export const NO_TRAFFIC: TrafficState = { generation: 0, history: [] };

/** Changes of traffic that a model keeps. */
const HISTORY = 200;

/** Gives a challenger a share in place of any other. */
export function giveTraffic(state: TrafficState, request: TrafficRequest, champion: number, why: Why): TrafficState {
  const { mode, version, percent, conditions } = request;
  const generation = state.generation + 1;
  const rule: TrafficRule = {
    id: randomUUID(),
    ...{ generation, mode, version, percent, champion },
    ...(conditions === undefined ? {} : { conditions }),
    ...why,
  };
  return { generation, rule, history: extended(state, rule, "given", why) };
}

/** Ends the rule that holds, if one does. */
export function endTraffic(state: TrafficState, event: Exclude<TrafficEvent, "given">, why: Why): TrafficState {
  if (state.rule === undefined) return state;
  const generation = state.generation + 1;
  return { generation, history: extended(state, { ...state.rule, generation }, event, why) };
}

/**
 * What becomes of a rule when the champion changes: it ends where the challenger was promoted, or where there is no champion any
 * more; against another champion the evidence begins anew.
 */
export function trafficAfter(state: TrafficState, champion: number | undefined, why: Why): TrafficState {
  const { rule } = state;
  if (rule === undefined || champion === rule.champion) return state;
  if (champion === undefined) return endTraffic(state, "ended", why);
  if (champion === rule.version) return endTraffic(state, "promoted", why);
  return giveTraffic(state, rule, champion, { ...why, reason: `version ${champion} became the champion` });
}

function extended(
  { history }: TrafficState,
  { generation, mode, version, percent, champion }: TrafficRule,
  event: TrafficEvent,
  why: Why,
): readonly TrafficChange[] {
  return [...history, { generation, mode, version, percent, champion, event, ...why }].slice(-HISTORY);
}
