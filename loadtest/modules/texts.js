// The texts that load tests send: written for this purpose, in loadtest/data.
import { SharedArray } from "k6/data";

const sentences = new SharedArray("sentences", () => JSON.parse(open("../data/sentences.json")));
const documents = new SharedArray("documents", () => JSON.parse(open("../data/documents.json")));

/** Sentence number `index`, starting over at the end. */
export function sentence(index) {
  return sentences[index % sentences.length];
}

/** `count` sentences from number `index` on, as one text. */
export function sentencesFrom(index, count) {
  return Array.from({ length: count }, (_, i) => sentence(index + i)).join(" ");
}

/**
 * A question and the document that answers it.
 *
 * @param index  every question comes once before the first comes again
 * @param paragraphs  length of the document; the answer stands in one of them
 */
export function question(index, paragraphs = 1) {
  const place = index % documents.length;
  const { questions } = documents[place];
  const context = Array.from({ length: paragraphs }, (_, i) => documents[(place + i) % documents.length].context);
  return {
    question: questions[Math.floor(index / documents.length) % questions.length],
    context: context.join("\n\n"),
  };
}

/** A number from 0 up to 1 that depends on `index` alone, so that every run sends the same. */
export function chance(index) {
  let bits = Math.imul(index ^ 0x9e3779b9, 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
}
