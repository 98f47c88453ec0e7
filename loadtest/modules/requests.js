// The requests of the load tests: what is sent, and whether the answer is what it should be.
import { ask } from "./albert.js";
import { right } from "./outcomes.js";
import { CLASSIFIER, READER } from "./settings.js";

/** Asks for the labels of a text, which is cut where it is too long. @returns what `ask` does */
export function classify(text, tag = "classify") {
  const options = { model: CLASSIFIER, truncation: "TRUNCATION_POLICY_TRUNCATE" };
  const reply = ask(tag, "Classify", { options, text });
  if (reply.message !== undefined) right.add(isDistribution(reply.message.labels), { task: tag });
  return reply;
}

/** Asks for the answer to a question in a document. @returns what `ask` does */
export function answerQuestion({ question, context }, tag = "answer", priority = "PRIORITY_INTERACTIVE") {
  const reply = ask(tag, "AnswerQuestion", { options: { model: READER, priority }, question, context });
  if (reply.message !== undefined) right.add(isSlice(reply.message.answers, context), { task: tag });
  return reply;
}

/** Labels, best first, whose probabilities add up to 1. */
export function isDistribution(labels) {
  const scores = labels.map(({ score }) => score);
  const sum = scores.reduce((total, score) => total + score, 0);
  return labels.length > 1 && Math.abs(sum - 1) < 1e-3 && scores.every((score, i) => i === 0 || score <= scores[i - 1]);
}

/** The answer stands in the document where it says. */
export function isSlice(answers, context) {
  return answers.length > 0 && answers.every(({ text, start, end }) => text === context.slice(start || 0, end));
}
