import { type Command, Option } from "commander";
import { invalidInput } from "../../errors.ts";
import { CanaryDecision, SetTrafficResponseSchema, TrafficMode } from "../../gen/albert/v1/models_pb.js";
import { numberFlag } from "../number-flags.ts";
import { type AdminFlags, addAdminOptions, print, wholeNumber, withAdmin } from "./admin-call.ts";
import { servingLines } from "./serving-lines.ts";

interface TrafficFlags extends AdminFlags {
  readonly mode: keyof typeof MODES;
  readonly percent: number;
  readonly decide?: keyof typeof DECISIONS;
  readonly alpha?: number;
  readonly errorRatio?: number;
  readonly slowRatio?: number;
  readonly disagreement?: number;
  readonly minRequests?: number;
  readonly wrongRatio?: number;
  readonly minJudged?: number;
  readonly override?: true;
  readonly expect?: number;
  readonly reason?: string;
}

const MODES = { shadow: TrafficMode.SHADOW, canary: TrafficMode.CANARY, off: TrafficMode.OFF } as const;
const DECISIONS = {
  none: CanaryDecision.NONE,
  rollback: CanaryDecision.ROLLBACK,
  promote: CanaryDecision.PROMOTE,
} as const;

/** Flags that only a canary has. */
const OF_CANARIES = [
  ...(["decide", "alpha", "errorRatio", "slowRatio", "disagreement", "minRequests"] as const),
  ...(["wrongRatio", "minJudged", "override"] as const),
];

/** Adds `albert models traffic`: the share of a challenger on every server with the same store. */
export function registerTraffic(models: Command): void {
  const between = (minimum: number, maximum: number) => numberFlag({ kind: "number", minimum, maximum });
  addAdminOptions(models.command("traffic").argument("<model>").argument("[version]", "its number", wholeNumber))
    .description("give a challenger a share of the traffic, on every server with this store")
    .addOption(new Option("--mode <mode>", "how").choices(Object.keys(MODES)).default("shadow"))
    .option("--percent <n>", "share of requests", between(0, 100), 100)
    .addOption(
      new Option("--decide <what>", "what may be done with a canary by itself (default: rollback)").choices(
        Object.keys(DECISIONS),
      ),
    )
    .option(
      "--alpha <p>",
      "probability of taking back a canary as good as the champion (default: 0.01)",
      numberFlag({ kind: "number", above: 0, below: 1 }),
    )
    .option("--error-ratio <n>", "times as often as the champion it may fail (default: 1.5)", between(1, 1e6))
    .option("--slow-ratio <n>", "times as often as the champion it may be slow (default: 2)", between(1, 1e6))
    .option("--disagreement <p>", "share of requests it may decide differently (default: 0.1)", between(0, 1))
    .option("--min-requests <n>", "requests it answers before it may be promoted (default: 1000)", wholeNumber)
    .option(
      "--wrong-ratio <n>",
      "times as often as the champion it may be wrong, of the answers that people judge (default: 1.25)",
      between(1, 1e6),
    )
    .option("--min-judged <n>", "its answers that people judge before it may be promoted (default: 0)", wholeNumber)
    .option("--override", "promote although the gate did not pass; needs --reason")
    .option("--expect <generation>", "generation the traffic must have (default: the present one)", wholeNumber)
    .option("--reason <text>", "why; kept with the change")
    .action((model: string, version: number | undefined, flags: TrafficFlags) =>
      withAdmin(flags, async (client) => {
        const { mode, percent, decide, override, expect, reason = "", ...given } = flags;
        if (version === undefined && mode !== "off") {
          throw invalidInput([
            { field: "version", description: "name the challenger, or end its traffic with --mode off" },
          ]);
        }
        const isCanarys = OF_CANARIES.some((flag) => flags[flag] !== undefined);
        const conditions = {
          decide: decide === undefined ? CanaryDecision.UNSPECIFIED : DECISIONS[decide],
          alpha: given.alpha ?? 0,
          errorRatio: given.errorRatio ?? 0,
          slowRatio: given.slowRatio ?? 0,
          minRequests: given.minRequests ?? 0,
          wrongRatio: given.wrongRatio ?? 0,
          minJudged: given.minJudged ?? 0,
          overrideGate: override ?? false,
          ...(given.disagreement === undefined ? {} : { disagreement: given.disagreement }),
        };
        const reply = await client.models.setTraffic({
          model,
          challengerVersion: version ?? 0,
          mode: MODES[mode],
          percent,
          reason,
          ...(expect === undefined ? {} : { expectedGeneration: expect }),
          ...(isCanarys ? { conditions } : {}),
        });
        print(flags, SetTrafficResponseSchema, reply, () => servingLines(reply.model!));
      }),
    );
}
