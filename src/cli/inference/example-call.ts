import type { Head, HeadKind } from "../../model/heads.ts";
import type { ServedModel } from "../../server/inference/models.ts";
import { infersEntailment } from "../../tasks/classification/entailment.ts";

interface Example {
  readonly method: string;
  readonly request: object;
}

type HeadTest = (head: Head) => boolean;

const isOf =
  (...kinds: readonly HeadKind[]): HeadTest =>
  ({ kind }) =>
    kinds.includes(kind);

/** One question for each kind of head, most telling first. */
const EXAMPLES: readonly (readonly [fits: HeadTest, example: Example])[] = [
  [
    (head) => head.kind === "classification" && !infersEntailment(head),
    { method: "Classify", request: { text: "A gripping, honest film." } },
  ],
  [
    infersEntailment,
    {
      method: "Classify",
      request: { text: "The keeper saved two penalties.", candidate_labels: ["sport", "politics", "cooking"] },
    },
  ],
  [
    isOf("span", "span-answerability"),
    {
      method: "AnswerQuestion",
      request: { question: "Where does the cat sleep?", context: "The cat sleeps on the warm stove." },
    },
  ],
  [
    isOf("multiple-choice"),
    {
      method: "ChooseAnswer",
      request: { question: "What do bees make?", choices: ["honey", "milk", "bread"] },
    },
  ],
  [isOf("masked-lm"), { method: "FillMask", request: { text: "The capital of France is [MASK]." } }],
];

/** Of any model: no head is asked. */
const ENCODE: readonly [fits: HeadTest, example: Example] = [
  () => false,
  { method: "Encode", request: { text: "Hello, world." } },
];

/** A command line that asks one of the models something it can answer, ready to be pasted into a shell; at least one model. */
export function exampleCall(
  address: string,
  models: readonly ServedModel[],
  { secure = false, tokens = false }: { readonly secure?: boolean; readonly tokens?: boolean } = {},
): string {
  const able = (fits: HeadTest) => models.filter(({ model }) => model.heads.some(fits));
  const [fits, { method, request }] = EXAMPLES.find(([test]) => able(test).length > 0) ?? ENCODE;
  const fitting = fits === ENCODE[0] ? models : able(fits);
  const { name, model } = fitting[0]!;
  const heads = model.heads.filter(fits);
  const options = {
    ...(fitting.length > 1 ? { model: name } : {}),
    ...(heads.length > 1 ? { head: heads[0]!.name } : {}),
  };
  const body = Object.keys(options).length > 0 ? { options, ...request } : request;
  const reachable = address.replace(/^(0\.0\.0\.0|\[::\]):/, "localhost:");
  const token = tokens ? ` -H "authorization: Bearer $ALBERT_TOKEN"` : "";
  return `grpcurl ${secure ? "-cacert ca.crt" : "-plaintext"}${token} -d '${JSON.stringify(body)}' ${reachable} albert.v1.InferenceService/${method}`;
}
