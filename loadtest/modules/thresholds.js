// What a run must hold to succeed. Bounds on times are for a quiet machine; BOUND_FACTOR widens all of them for a busy one.
import { number } from "./settings.js";

const FACTOR = number("BOUND_FACTOR", 1);

/** Statistics of times in the summary. */
export const STATISTICS = ["avg", "med", "p(90)", "p(95)", "p(99)", "max"];

/** No request is lost, all answers are right, and something was answered. */
export const NOTHING_LOST = {
  albert_failed: ["count==0"],
  albert_unserved: ["count==0"],
  albert_right: ["rate==1"],
  albert_answered: ["count>0"],
};

/**
 * A bound on times in milliseconds.
 *
 * @param statistic  such as "p(95)"
 */
export function below(statistic, milliseconds) {
  return `${statistic}<${milliseconds * FACTOR}`;
}
