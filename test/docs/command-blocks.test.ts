import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { albertProgram } from "../../src/cli/program.ts";
import { runAlbert } from "../support/command-line.ts";

// Every block of the pages that shows a command: those of `albert` are understood by the program as it is, those that show answers of
// bundled models are run, and every other is run by a test that is named here, or it is said why none does.

const root = join(import.meta.dirname, "../..");
const PAGES = [
  "README.md",
  "CONTRIBUTING.md",
  "distributed/README.md",
  "packages/client/README.md",
  "packages/python/README.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

interface Block {
  readonly page: string;
  readonly lines: readonly string[];
}

/** Blocks of code: indented after an empty line, or between fences. */
function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  const lines = readFileSync(join(root, page), "utf8").split("\n");
  for (let i = 0; i < lines.length; i++) {
    const begin = i;
    if (lines[i]!.startsWith("```")) {
      while (!lines[++i]!.startsWith("```"));
      blocks.push({ page, lines: lines.slice(begin + 1, i) });
    } else if (lines[i]!.startsWith("    ") && (i === 0 || lines[i - 1] === "")) {
      while (lines[i + 1]?.startsWith("    ") || (lines[i + 1] === "" && lines[i + 2]?.startsWith("    "))) i++;
      blocks.push({ page, lines: lines.slice(begin, i + 1).map((line) => line.slice(4)) });
    }
  }
  return blocks;
}

/** A command that a block shows, and what the block shows below it. */
interface Shown {
  readonly page: string;
  readonly command: string;
  readonly output: string;
}

const PROMPT = "$ ";

/** Commands of a block: its lines, those after a prompt where it has one, continued ones as one, without remarks. */
function commandsOf({ page, lines }: Block): Shown[] {
  const prompted = lines.some((line) => line.startsWith(PROMPT));
  const shown: { page: string; command: string; output: string }[] = [];
  let open = false;
  for (const line of lines) {
    const begins = !prompted || line.startsWith(PROMPT);
    if (open) shown.at(-1)!.command += ` ${line.trim()}`;
    else if (begins) shown.push({ page, command: prompted ? line.slice(PROMPT.length) : line, output: "" });
    else shown.at(-1)!.output += `${line}\n`;
    if (!open && !begins) continue;
    const last = shown.at(-1)!;
    open = last.command.endsWith("\\");
    last.command = last.command.replace(/\s*\\$/, "").replace(/\s+#\s.*$/, "");
  }
  return shown.filter(({ command }) => command.trim() !== "");
}

const ALL = PAGES.flatMap(blocksOf).flatMap(commandsOf);
const ALBERT = /^(?:\w+=\S+ )*(?:bin\/)?albert (?=[a-z])/;
const isAlbert = ({ command }: Shown) => ALBERT.test(command);

/** Words of a command line as a shell gives them. Of a synopsis (`[--a B]`, `x|y`, `KIND...`) the first that is meant. */
function wordsOf(command: string): string[] {
  const words: readonly string[] = command.replace(ALBERT, "").match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  const upTo = words.indexOf("|");
  return (upTo < 0 ? words : words.slice(0, upTo))
    .map((word) => (/^["']/.test(word) ? word.slice(1, -1) : word.replaceAll(/[[\]]/g, "").replace(/\|.*$/, "")))
    .map((word) => word.replace(/(?<=.)\.\.\.$/, ""))
    .filter((word) => word !== "...");
}

/** What words stand for that only a reader can fill in, where not every word will do. */
const MEANT: Readonly<Record<string, string>> = { VERSION: "2", TASK: "sst-2", KIND: "classification" };

/** Lets every command of the program do nothing. */
function disarm(command: Command): void {
  if (command.commands.length === 0) command.action(() => {});
  for (const child of command.commands) disarm(child);
}

/** Other commands that pages show, by how they begin: the test, or the part of the build, that runs them, or why none does. */
const OTHERS: readonly (readonly [begins: RegExp, how: { readonly run: string } | { readonly not: string }])[] = [
  [/^npm (ci|test|run lint)$|^\.ci\/run$/, { run: ".ci/run" }],
  [/^npm start/, { run: "test/scripts/npm-start.test.ts" }],
  [/^npm run bundle|^sha256sum|^tar -xzf albert-serve|^cd albert-serve/, { run: "test/scripts/bundle.test.ts" }],
  [/^npm run make-models/, { run: "test/scripts/make-models.test.ts" }],
  [/^npm run bench -- peers/, { not: "needs other runtimes in Python" }],
  [/^npm run gpu-check|^node scripts\/cuda-provider/, { run: "test/scripts/gpu-check.test.ts" }],
  [/^grpcurl /, { run: "test/e2e/examples.test.ts" }],
  [/^curl -s .*\/v2\/models/, { run: "test/e2e/open-inference.test.ts" }],
  [/^curl -s .*InferenceService\/Classify/, { run: "test/e2e/console-calls.test.ts" }],
  [/^curl -s .*SearchService\/AskIndex/, { run: "test/e2e/search.test.ts" }],
  [/^k6 run/, { run: "test/e2e/examples.test.ts" }],
  [/^eval "\$\(albert completion|^albert completion fish/, { run: "test/cli/shell/completion.test.ts" }],
  [/^scripts\/docker\/build|^docker /, { not: "needs a container engine: scripts/docker tries the image" }],
  [/^helm |^kubectl /, { not: "needs a cluster: scripts/kubernetes/try-chart.sh tries the chart" }],
  [/^curl -LO|^tar xzf albert_base|^git clone/, { not: "fetches published weights" }],
  [/^torchrun /, { run: "test/distributed/distributed.test.ts" }],
  [/^pip install/, { not: "fetches a package" }],
];

/** Blocks that show no command, by their first line. */
const NO_COMMANDS: readonly RegExp[] = [
  /^flowchart LR/,
  /^settings:/,
  /^import |^from /,
  /^\/var\/lib\/albert$|^s3:\/\//,
  /^albert-serve-0\.1\.0-linux-x64\.tar\.gz: /,
];

describe("commands on pages", () => {
  it("are found", () => {
    expect(ALL.filter(isAlbert).length).toBeGreaterThan(70);
    expect(new Set(ALL.filter(isAlbert).map(({ page }) => page)).size).toBeGreaterThan(15);
  });

  it("of albert are understood by the program: commands, options and choices", async () => {
    const wrong: string[] = [];
    for (const shown of ALL.filter(isAlbert)) {
      const words = wordsOf(shown.command).map((word) => MEANT[word] ?? word);
      const program = await albertProgram(words[0]!);
      disarm(program);
      let said = "";
      const quiet = (command: Command): void => {
        command.configureOutput({ writeErr: (text) => (said += text), writeOut: () => {} }).exitOverride();
        for (const child of command.commands) quiet(child);
      };
      quiet(program);
      await program
        .parseAsync(words, { from: "user" })
        .catch(() => wrong.push(`${shown.page}: ${shown.command}\n${said}`));
    }
    expect(wrong).toEqual([]);
  });

  it("of bundled models give the answers that README shows", async () => {
    const shown = ALL.filter(({ page, output }) => page === "README.md" && output !== "");
    expect(shown).toHaveLength(3);
    for (const { command, output } of shown) expect((await runAlbert(...wordsOf(command))).out).toBe(output);
  }, 60_000);

  it("are all run by a test, or it is said why not", () => {
    const others = PAGES.flatMap(blocksOf)
      .filter(({ lines }) => !NO_COMMANDS.some((pattern) => pattern.test(lines.find((line) => line !== "")!)))
      .flatMap(commandsOf)
      .filter((shown) => !isAlbert(shown));
    const unknown = others.filter(({ command }) => !OTHERS.some(([begins]) => begins.test(command)));
    expect(unknown.map(({ page, command }) => `${page}: ${command}`)).toEqual([]);
    const named = OTHERS.flatMap(([, how]) => ("run" in how ? [how.run] : []));
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    const idle = OTHERS.filter(([begins]) => !others.some(({ command }) => begins.test(command)));
    expect(idle.map(([begins]) => String(begins))).toEqual([]);
  });
});
