import type { Judgement } from "../../store/feedback/judgements.ts";
import type { TrafficRule } from "../../store/traffic-rules.ts";
import type { JudgedAnswers } from "./judge-canary.ts";

/**
 * What people said of the answers of a canary and its champion since it began. Of a text that one version answered several times,
 * on several servers, what was said last counts, once.
 */
export function judgedAnswers(
  said: readonly Judgement[],
  { version, champion, changed }: Pick<TrafficRule, "version" | "champion" | "changed">,
): JudgedAnswers {
  const wrongIn = (which: number) => {
    const ofVersion = said.filter((one) => one.version === String(which) && one.answeredMs >= changed);
    const last = new Map(
      ofVersion.map(({ head, text, textPair, answer, label }) => [
        JSON.stringify([head, text, textPair]),
        answer !== label,
      ]),
    );
    return { events: [...last.values()].filter(Boolean).length, of: last.size };
  };
  return { champion: wrongIn(champion), challenger: wrongIn(version) };
}
