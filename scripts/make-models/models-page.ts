import type { MODELS } from "./settings.ts";

/** A model with what it scored, and what guessing scores. */
export type ScoredModel = (typeof MODELS)[number] & { readonly score: unknown; readonly baseline: unknown };

/**
 * The page of the models' directory: what each is for, its numbers next to those of guessing and of the published
 * ALBERT, and every command.
 */
export function modelsPage(models: readonly ScoredModel[], commands: readonly string[]): string {
  const sections = models.map(({ name, description, score, baseline, published }) => {
    const rows = [
      ["this model", inWords(score)],
      ["guessing", inWords(baseline)],
      ["published, on the whole development set", published],
    ];
    return [
      `## ${name}`,
      description,
      ["| on the development data | |", "|---|---|", ...rows.map((row) => `| ${row.join(" | ")} |`)].join("\n"),
    ].join("\n\n");
  });
  return `${[
    "# Models",
    ...sections,
    "## Commands",
    commands.map((command) => `    ${command}`).join("\n"),
    "Each model's `manifest.json` holds its digest, the digests of its training data and its whole recipe.",
  ].join("\n\n")}\n`;
}

/** The numbers in what a program printed, wherever they are. */
function inWords(json: unknown): string {
  const numbers = (value: unknown, name: string): string[] => {
    if (typeof value === "number") return [`${name} ${Number(value.toFixed(4))}`];
    if (typeof value !== "object" || value === null) return [];
    return Object.entries(value).flatMap(([key, inner]) => numbers(inner, key));
  };
  const metrics = typeof json === "object" && json !== null && "metrics" in json ? json.metrics : json;
  return numbers(metrics, "value").join(", ");
}
