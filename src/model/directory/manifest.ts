import { createHash } from "node:crypto";
import { corrupt, type FieldViolation } from "../../errors.ts";
import { checkClassification } from "../checkpoint/infer-heads.ts";
import type { AlbertConfig } from "../config.ts";
import { type Head, isHeadKind } from "../heads.ts";
import { headParameters } from "../parameters.ts";
import type { ModelManifest } from "./model-directory.ts";
import { isVocabularyKind } from "./vocabulary.ts";
import { hasEmbeddingsApart, INDEX_FILE, WEIGHTS_FILE } from "./weight-files.ts";
import { WEIGHT_FORMATS } from "./weight-formats.ts";

// Reads, checks and writes `manifest.json`, and computes the digest of a model.

/** The file that is written last: a directory without it is not a model. */
export const MANIFEST_FILE = "manifest.json";

/** Names a file of a model directory may have: one path element, never hidden. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const HEAD_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Like a name, but without dots, which part the names of tensors. */
const SCOPE = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/**
 * Identity of a model: sha256 (hex) over its files' digests in the order of their names, and its heads. Name,
 * description, metrics, lineage and hints for fine-tuning are not part of it.
 */
export function modelDigest(files: Readonly<Record<string, string>>, heads: readonly Head[]): string {
  const ordered = Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([ordered, heads.map(canonicalHead)]))
    .digest("hex");
}

/** The manifest as the bytes of `manifest.json`; the same manifest gives the same bytes. */
export function serializeManifest(manifest: ModelManifest): Uint8Array {
  const { files, heads, ...rest } = manifest;
  const ordered = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
  const json = { ...rest, heads: heads.map(canonicalHead), files: ordered };
  return Buffer.from(`${JSON.stringify(json, null, 2)}\n`, "utf8");
}

/**
 * Reads `manifest.json`.
 *
 * @throws AlbertError corrupt listing everything that is wrong with it
 */
export function parseManifest(bytes: Uint8Array): ModelManifest {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw corrupt(`${MANIFEST_FILE} is not JSON`, { reason: "MANIFEST_CORRUPT", cause });
  }
  const manifest = json as ModelManifest; // checked field by field below; only returned when nothing is wrong
  const problems = isObject(json) ? manifestProblems(json) : ["it is not a JSON object"];
  if (problems.length > 0) {
    throw corrupt(`${MANIFEST_FILE}: ${problems.join("; ")}`, { reason: "MANIFEST_CORRUPT" });
  }
  return manifest;
}

function manifestProblems(json: Record<string, unknown>): string[] {
  const problems: string[] = [];
  const { formatVersion, name, description, heads, tokenizer, maxSequenceLength, files } = json;
  if (formatVersion !== 1) problems.push(`formatVersion is ${JSON.stringify(formatVersion)}; this program reads 1`);
  if (typeof name !== "string" || name === "") problems.push("name is not a text");
  if (description !== undefined && typeof description !== "string") problems.push("description is not a text");
  if (!Number.isInteger(maxSequenceLength) || (maxSequenceLength as number) < 1) {
    problems.push("maxSequenceLength is not a positive integer");
  }
  for (const key of ["metrics", "lineage"]) {
    if (json[key] !== undefined && !isObject(json[key])) problems.push(`${key} is not an object`);
  }
  const { fineTuning } = json;
  if (fineTuning !== undefined) {
    const rate = isObject(fineTuning) ? fineTuning["learningRate"] : undefined;
    if (typeof rate !== "number" || !(rate > 0 && rate < 1)) {
      problems.push("fineTuning needs learningRate, a number above 0 and below 1");
    }
  }
  const { weights } = json;
  if (weights !== undefined && !WEIGHT_FORMATS.some((format) => format === weights)) {
    problems.push(`weights is ${JSON.stringify(weights)}; this program reads ${WEIGHT_FORMATS.join(", ")}`);
  }
  const { encoding } = json;
  if (encoding !== undefined) {
    const { pooling, normalize } = isObject(encoding) ? encoding : {};
    if ((pooling !== "cls" && pooling !== "mean") || typeof normalize !== "boolean") {
      problems.push("encoding needs pooling (cls or mean) and normalize");
    }
  }
  if (!isObject(files)) {
    problems.push("files is not an object");
  } else {
    for (const [file, digest] of Object.entries(files)) {
      if (!FILE_NAME.test(file)) problems.push(`file name ${JSON.stringify(file)} is not allowed`);
      if (typeof digest !== "string" || !SHA256.test(digest)) problems.push(`${file} has no sha256`);
    }
    for (const needed of ["config.json", hasEmbeddingsApart(files) ? INDEX_FILE : WEIGHTS_FILE]) {
      if (!Object.hasOwn(files, needed)) problems.push(`${needed} is not listed`);
    }
    if (isObject(tokenizer) && !Object.hasOwn(files, String(tokenizer["file"]))) {
      problems.push("the tokenizer's file is not listed");
    }
  }
  if (!isObject(tokenizer) || !isVocabularyKind(tokenizer["kind"]) || typeof tokenizer["lowerCase"] !== "boolean") {
    problems.push("tokenizer needs file, kind (sentencepiece, wordpiece or tokenizer-json) and lowerCase");
  }
  problems.push(...(Array.isArray(heads) ? headProblems(heads) : ["heads is not a list"]));
  return problems;
}

function headProblems(heads: readonly unknown[]): string[] {
  return heads.flatMap((head, i) => {
    if (!isObject(head)) return [`heads[${i}] is not an object`];
    if (!isHeadKind(head["kind"])) return [`heads[${i}] is of unknown kind ${JSON.stringify(head["kind"])}`];
    if (typeof head["name"] !== "string") return [`heads[${i}] has no name`];
    if (head["scope"] !== undefined && typeof head["scope"] !== "string") return [`heads[${i}].scope is not a text`];
    if (head["untied"] !== undefined && (head["untied"] !== true || head["kind"] !== "masked-lm")) {
      return [`heads[${i}].untied is ${JSON.stringify(head["untied"])}`];
    }
    if (head["kind"] !== "classification") return [];
    const { labels, problemType, temperature, thresholds } = head;
    if (temperature !== undefined && typeof temperature !== "number")
      return [`heads[${i}].temperature is not a number`];
    if (thresholds !== undefined && !(Array.isArray(thresholds) && thresholds.every(Number.isFinite))) {
      return [`heads[${i}].thresholds is not a list of numbers`];
    }
    if (!Array.isArray(labels) || !labels.every((label) => typeof label === "string")) {
      return [`heads[${i}].labels is not a list of texts`];
    }
    if (problemType !== "single-label" && problemType !== "multi-label" && problemType !== "regression") {
      return [`heads[${i}].problemType is ${JSON.stringify(problemType)}`];
    }
    return [];
  });
}

/**
 * What is wrong with a model's heads: names that are not unique or not allowed, label lists that contradict their problem
 * type, and heads that would share variables (the second of them needs a scope).
 */
export function checkHeads(config: AlbertConfig, heads: readonly Head[]): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const names = new Set<string>();
  const owners = new Map<string, string>();
  heads.forEach((head, i) => {
    const wrong = (field: string, description: string) =>
      violations.push({ field: `heads[${i}].${field}`, description });
    if (!HEAD_NAME.test(head.name)) wrong("name", "expected 1 to 64 letters, digits, dots, dashes or underscores");
    if (names.has(head.name)) wrong("name", `${head.name} is taken by an earlier head`);
    names.add(head.name);
    if (head.scope !== undefined && !SCOPE.test(head.scope)) {
      wrong("scope", "expected 1 to 64 letters, digits, dashes or underscores");
    }
    if (head.kind === "classification") {
      const problem = checkClassification(head);
      if (problem !== undefined) wrong("labels", problem);
    }
    const variables = headParameters(config, head);
    const taken = variables.find((spec) => owners.has(spec.name));
    if (taken !== undefined) {
      wrong("scope", `${taken.name} already belongs to head ${owners.get(taken.name)}; give one of the two a scope`);
    }
    for (const spec of variables) owners.set(spec.name, head.name);
  });
  return violations;
}

/** A head with its fields in one fixed order and nothing else. */
function canonicalHead(head: Head): Head {
  const base = { kind: head.kind, name: head.name, ...(head.scope === undefined ? {} : { scope: head.scope }) };
  switch (head.kind) {
    case "classification":
      return {
        ...{ ...base, kind: head.kind, problemType: head.problemType, labels: [...head.labels] },
        ...(head.temperature === undefined ? {} : { temperature: head.temperature }),
        ...(head.thresholds === undefined ? {} : { thresholds: [...head.thresholds] }),
      };
    case "masked-lm":
      return { ...base, kind: head.kind, ...(head.untied ? { untied: true } : {}) };
    default:
      return { ...base, kind: head.kind };
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
