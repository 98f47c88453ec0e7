/** What the page of the models says of one of them. */
export interface ModelCard {
  readonly name: string;
  readonly description: string;
  /** What was measured on the development data, next to what to compare it with: words, and a program's numbers or words. */
  readonly rows: readonly (readonly [name: string, measured: unknown])[];
}

/** The page of the models' directory: what each is for, its numbers next to others, and every command. */
export function modelsPage(models: readonly ModelCard[], commands: readonly string[]): string {
  const sections = models.map(({ name, description, rows }) =>
    [
      `## ${name}`,
      description,
      [
        "| on the development data | |",
        "|---|---|",
        ...rows.map(([row, measured]) => `| ${row} | ${inWords(measured)} |`),
      ].join("\n"),
    ].join("\n\n"),
  );
  return `${[
    "# Models",
    ...sections,
    "## Commands",
    commands.map((command) => `    ${command}`).join("\n"),
    "Each model's `manifest.json` holds its digest, the digests of its training data and its whole recipe.",
  ].join("\n\n")}\n`;
}

/** Words as they are; the numbers in what a program printed, wherever they are. */
function inWords(measured: unknown): string {
  if (typeof measured === "string") return measured;
  const numbers = (value: unknown, name: string): string[] => {
    if (typeof value === "number") return [`${name} ${Number(value.toFixed(4))}`];
    if (typeof value !== "object" || value === null) return [];
    return Object.entries(value).flatMap(([key, inner]) => numbers(inner, key));
  };
  const metrics =
    typeof measured === "object" && measured !== null && "metrics" in measured ? measured.metrics : measured;
  return numbers(metrics, "value").join(", ");
}
