import type { HeadKind } from "../../model/heads.ts";
import type { ServedModel } from "../../server/inference/models.ts";

interface Example {
  readonly method: string;
  readonly request: object;
}

/** One question for each kind of head, most telling first. */
const EXAMPLES: readonly (readonly [kinds: readonly HeadKind[], example: Example])[] = [
  [["classification"], { method: "Classify", request: { text: "A gripping, honest film." } }],
  [
    ["span", "span-answerability"],
    {
      method: "AnswerQuestion",
      request: { question: "Where does the cat sleep?", context: "The cat sleeps on the warm stove." },
    },
  ],
  [
    ["multiple-choice"],
    {
      method: "ChooseAnswer",
      request: { question: "What do bees make?", choices: ["honey", "milk", "bread"] },
    },
  ],
  [["masked-lm"], { method: "FillMask", request: { text: "The capital of France is [MASK]." } }],
];

/** A command line that asks one of the models something it can answer, ready to be pasted into a shell; at least one model. */
export function exampleCall(
  address: string,
  models: readonly ServedModel[],
  { secure = false, tokens = false }: { readonly secure?: boolean; readonly tokens?: boolean } = {},
): string {
  const able = (kinds: readonly HeadKind[]) =>
    models.filter(({ model }) => model.heads.some(({ kind }) => kinds.includes(kind)));
  const [kinds, { method, request }] = EXAMPLES.find(([kinds]) => able(kinds).length > 0) ?? [
    [],
    { method: "Encode", request: { text: "Hello, world." } },
  ];
  const fitting = kinds.length > 0 ? able(kinds) : models;
  const { name, model } = fitting[0]!;
  const heads = model.heads.filter(({ kind }) => kinds.includes(kind));
  const options = {
    ...(fitting.length > 1 ? { model: name } : {}),
    ...(heads.length > 1 ? { head: heads[0]!.name } : {}),
  };
  const body = Object.keys(options).length > 0 ? { options, ...request } : request;
  const reachable = address.replace(/^(0\.0\.0\.0|\[::\]):/, "localhost:");
  const token = tokens ? ` -H "authorization: Bearer $ALBERT_TOKEN"` : "";
  return `grpcurl ${secure ? "-cacert ca.crt" : "-plaintext"}${token} -d '${JSON.stringify(body)}' ${reachable} albert.v1.InferenceService/${method}`;
}
