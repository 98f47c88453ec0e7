import type { EvaluationReport } from "../evaluation-report.ts";
import { figureName, figureText, percentText } from "./number-text.ts";
import { plainText } from "./plain-text.ts";

// A model card in Markdown, made of a version's manifest and its report: what it is, how well it does, where not, and where it
// came from. The front matter is that of Hugging Face's cards.

/** What a card reads of `manifest.json`. */
export interface CardManifest {
  readonly description?: string;
  readonly heads: readonly {
    readonly kind: string;
    readonly name: string;
    readonly labels?: readonly string[];
  }[];
  readonly tokenizer: { readonly kind: string; readonly lowerCase: boolean };
  readonly maxSequenceLength: number;
  readonly metrics?: Readonly<Record<string, number>>;
  readonly lineage?: {
    readonly parent?: string;
    readonly teacher?: string;
    readonly datasets?: Readonly<Record<string, string>>;
    readonly recipe?: Readonly<Record<string, unknown>>;
    readonly program?: string;
    readonly jobId?: string;
  };
}

/** What a card is made of. */
export interface CardInput {
  /** `name@7`, or a name alone. */
  readonly name: string;
  readonly digest: string;
  readonly manifest: CardManifest;
  /** Absent where nobody evaluated the version. */
  readonly report?: EvaluationReport;
}

/** Rows of a table of labels and of slices; of more, those that are told worst. */
const MOST_ROWS = 20;

const PIPELINES: Readonly<Record<string, string>> = {
  classification: "text-classification",
  span: "question-answering",
  "span-answerability": "question-answering",
  "multiple-choice": "multiple-choice",
  "masked-lm": "fill-mask",
};

/** The card as Markdown. Texts of the data become no markup. */
export function modelCard({ name, digest, manifest, report }: CardInput): string {
  const parts = [
    frontMatter(name, manifest, report),
    `# ${inline(name)}`,
    ...(manifest.description === undefined ? [] : [inline(manifest.description)]),
    whatItIs(digest, manifest),
    "## How well it does",
    ...(report === undefined ? unmeasured(manifest) : measured(report)),
    "## Where it came from",
    origin(manifest),
    "## How to ask it",
    `    ${callOf(name, manifest)}`,
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** JSON texts are YAML texts too. */
function frontMatter(name: string, { heads }: CardManifest, report: EvaluationReport | undefined): string {
  const pipeline = heads.map(({ kind }) => PIPELINES[kind]).find((found) => found !== undefined);
  const results =
    report === undefined
      ? []
      : [
          "model-index:",
          `- name: ${JSON.stringify(name)}`,
          "  results:",
          `  - task: { type: ${JSON.stringify(pipeline ?? report.task)} }`,
          `    dataset: { name: ${JSON.stringify(report.data.name ?? report.task)}, type: ${JSON.stringify(report.task)} }`,
          "    metrics:",
          ...report.figures.map(
            ({ name: figure, value }) => `    - { type: ${JSON.stringify(figure)}, value: ${value} }`,
          ),
        ];
  return [
    "---",
    "library_name: albert-serve",
    ...(pipeline === undefined ? [] : [`pipeline_tag: ${pipeline}`]),
    ...results,
    "---",
  ].join("\n");
}

function whatItIs(digest: string, { heads, tokenizer, maxSequenceLength }: CardManifest): string {
  const lines = heads.map(({ kind, name, labels }) => {
    const told = labels === undefined || labels.length === 0 ? "" : `: ${labels.map(inline).join(", ")}`;
    return `- head \`${name}\` (${kind})${told}`;
  });
  return [
    ...(lines.length === 0 ? ["- no head: it turns texts into vectors"] : lines),
    `- reads up to ${maxSequenceLength} tokens at a time (${tokenizer.kind}${tokenizer.lowerCase ? ", lower case" : ""})`,
    `- digest \`${digest}\``,
  ].join("\n");
}

function unmeasured({ metrics = {} }: CardManifest): string[] {
  const rows = Object.entries(metrics).map(([name, value]) => [figureName(name), figureText(name, value)]);
  const note = "Nobody has evaluated this version here; `albert evaluate` and `albert models validate` do.";
  return rows.length === 0 ? [note] : [note, "When it was made:", table(["figure", "value"], rows)];
}

function measured({ data, task, figures, findings, classes = [], slices, resampling }: EvaluationReport): string[] {
  const worst = [...classes].sort((a, b) => a.f1 - b.f1).slice(0, MOST_ROWS);
  return [
    `On ${data.judged} examples of ${inline(data.name ?? task)} (task ${task}), with 95 % intervals by ${resampling.samples} bootstrap samples:`,
    table(
      ["figure", "value", "from", "to"],
      figures.map(({ name, value, low, high }) => [
        figureName(name),
        ...[value, low, high].map((number) => figureText(name, number)),
      ]),
    ),
    ...(worst.length === 0
      ? []
      : [
          worst.length < classes.length ? `The ${worst.length} labels that are told worst:` : "Each label:",
          table(
            ["label", "precision", "recall", "F1", "examples"],
            worst.map(({ label, precision, recall, f1, support }) => [
              label,
              ...[precision, recall, f1].map((value) => value.toFixed(3)),
              String(support),
            ]),
          ),
        ]),
    ...slices.slice(0, 3).flatMap(({ name, measure, slices: some }) => [
      `${measure} by ${inline(name)}:`,
      table(
        [name, measure, "examples"],
        some
          .slice(0, MOST_ROWS)
          .map(({ value, score, rows }) => [
            value,
            measure === "absolute error" ? score.toPrecision(4) : percentText(score),
            String(rows),
          ]),
      ),
    ]),
    ...(findings.length === 0 ? [] : ["### What to know", findings.map((text) => `- ${inline(text)}`).join("\n")]),
  ];
}

function origin({ lineage = {} }: CardManifest): string {
  const { parent, teacher, datasets = {}, recipe = {}, program, jobId } = lineage;
  const lines = [
    ...(parent === undefined ? [] : [`- fine-tuned from \`${parent}\``]),
    ...(teacher === undefined ? [] : [`- taught by \`${teacher}\``]),
    ...Object.entries(datasets).map(([role, digest]) => `- data, ${role}: examples of digest \`${digest}\``),
    ...(jobId === undefined ? [] : [`- made by job \`${jobId}\``]),
    ...(program === undefined ? [] : [`- with albert-serve ${program}`]),
  ];
  const settings = Object.entries(recipe).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return [
    lines.length === 0 ? "Its manifest does not say." : lines.join("\n"),
    ...(settings.length === 0 ? [] : [table(["setting", "value"], settings)]),
  ].join("\n\n");
}

function callOf(name: string, { heads }: CardManifest): string {
  const [model = name] = name.split("@");
  const flag = `--served-model ${model}`;
  switch (heads[0]?.kind) {
    case "span":
    case "span-answerability":
      return `albert ask "Who?" --file document.txt ${flag}`;
    case "multiple-choice":
      return `albert choose "Why?" "One." "Two." --context "A passage." ${flag}`;
    case "masked-lm":
      return `albert fill-mask "It is [MASK]." ${flag}`;
    case undefined:
      return `albert encode "A text." ${flag}`;
    default:
      return `albert classify "A text." ${flag}`;
  }
}

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(inline).join(" | ")} |`;
  return [line(heading), `|${" --- |".repeat(heading.length)}`, ...rows.map(line)].join("\n");
}

/** A text on one line that Markdown and HTML take as it stands. */
function inline(text: string): string {
  return plainText(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replace(/[\\`*_[\]|#]/g, (mark) => `\\${mark}`);
}
