import { AlbertError } from "../../errors.ts";
import { type ParsedConfig, parseAlbertConfig } from "../config.ts";
import { HEAD_KINDS, HEADS, type HeadKind } from "../heads.ts";
import { ALBERT } from "./albert.ts";
import { BERT } from "./bert.ts";
import { DISTILBERT } from "./distilbert.ts";
import { ELECTRA } from "./electra.ts";
import type { ModelFamily } from "./family.ts";

// Every family that opens, and which one a configuration means.

const FAMILIES: Readonly<Record<string, ModelFamily>> = Object.fromEntries(
  [ALBERT, BERT, ELECTRA, DISTILBERT].map((family) => [family.name, family]),
);

/** Families that look like one of ours, and why they are none. */
const REASONS: Readonly<Record<string, string>> = {
  roberta: "its positions begin behind its padding, and its vocabulary is of byte pairs",
  "xlm-roberta": "its positions begin behind its padding",
  camembert: "its positions begin behind its padding",
  deberta: "its attention reads relative positions",
  "deberta-v2": "its attention reads relative positions",
  mpnet: "its attention reads relative positions, and its positions begin behind its padding",
  xlnet: "its attention reads relative positions and its words in any order",
  xlm: "its layers and vocabulary are built otherwise",
  modernbert: "its positions turn queries and keys, and its layers have other parts",
  nomic_bert: "its positions turn queries and keys, and its layers have other parts",
};

/** The configuration that Google's BERT has next to its checkpoints; it has no `model_type`. */
const BERT_CONFIG_FILE = "bert_config.json";

/**
 * The family that a model's configuration names. One of Google's has no `model_type`: its file's name tells BERT from ALBERT.
 *
 * @throws AlbertError unimplemented (MODEL_TYPE_UNKNOWN) saying which families open
 */
export function familyOf(json: Readonly<Record<string, unknown>>, file: string): ModelFamily {
  const { model_type: type } = json;
  if (type === undefined || type === null) return file === BERT_CONFIG_FILE ? BERT : ALBERT;
  if (typeof type === "string" && Object.hasOwn(FAMILIES, type)) return FAMILIES[type]!;
  const reason = typeof type === "string" && Object.hasOwn(REASONS, type) ? `, and that is none: ${REASONS[type]}` : "";
  throw new AlbertError(
    "unimplemented",
    `${file} says model_type ${JSON.stringify(type)?.slice(0, 80)}; what opens here is ${Object.keys(FAMILIES).join(", ")}${reason}; choose such a checkpoint`,
    { reason: "MODEL_TYPE_UNKNOWN" },
  );
}

/** The family of a configuration that was read. */
export function familyNamed(name: string): ModelFamily {
  return FAMILIES[name] ?? ALBERT;
}

/**
 * Reads the configuration of a model of any family.
 *
 * @param file  its name, for messages
 * @throws AlbertError invalid-input with every wrong key at once; unimplemented for what ALBERT's trunk cannot compute
 */
export function parseModelConfig(json: unknown, file: string): ParsedConfig {
  if (!isObject(json)) return parseAlbertConfig(json); // which says what it expects
  const shared = familyOf(json, file).readConfig(json);
  return parseAlbertConfig(shared.json, shared.traits);
}

/** A family's classes in Hugging Face's library, and the heads that each has. */
export function classesOf(family: ModelFamily): Readonly<Record<string, readonly HeadKind[]>> {
  const common = HEAD_KINDS.flatMap((kind) => {
    const name = HEADS[kind].architecture;
    return name === null ? [] : [[name.replace(/^Albert/, family.classPrefix), [kind]] as const];
  });
  return { [`${family.classPrefix}Model`]: [], ...family.ownClasses, ...Object.fromEntries(common) };
}

/** The class that opens the most of these heads, none of which has a scope; the first one's where no class has several. */
export function classFor(family: ModelFamily, kinds: readonly HeadKind[]): string {
  const classes = Object.entries(classesOf(family));
  const first = kinds.find((kind) => classes.some(([, heads]) => heads[0] === kind));
  const opens = classes.filter(([, heads]) => heads[0] === first && heads.every((kind) => kinds.includes(kind)));
  const most = opens.reduce<(typeof opens)[number] | undefined>(
    (best, candidate) => (best === undefined || candidate[1].length > best[1].length ? candidate : best),
    undefined,
  );
  return first === undefined || most === undefined ? `${family.classPrefix}Model` : most[0];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
