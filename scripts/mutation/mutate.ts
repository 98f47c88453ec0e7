// Makes small wrong changes (mutants) to sampled places of the source, one at a time, runs the tests that mirror the place, and
// prints which mutants no test noticed. The source is put back after each; run it in a checkout that nothing else uses.
//
//   node --import tsx scripts/mutation/mutate.ts [--seed 1] [--count 100] [--minutes 30] [--rooms serving,jobs,store,training,deployment]
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { parseArgs } from "node:util";
import ts from "typescript";
import { RandomStream } from "../../src/model/random.ts";

const root = join(import.meta.dirname, "../..");
const ROOMS = "serving,jobs,store,training,deployment";
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "100" },
    minutes: { type: "string", default: "30" },
    rooms: { type: "string", default: ROOMS },
  },
});

/** A test run that takes longer counts as having noticed: the mutant made something hang. */
const LONGEST_RUN_MS = 180_000;

/** One change: what stands at a place, and what is put there. */
interface Mutant {
  readonly file: string;
  readonly line: number;
  readonly from: number;
  readonly to: number;
  readonly text: string;
  readonly what: string;
}

const OPERATORS: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "&&": "||",
  "||": "&&",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
};

/** Every mutant of a file. Types, imports and messages have none. */
function mutantsOf(file: string): Mutant[] {
  const text = readFileSync(file, "utf8");
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: Mutant[] = [];
  const add = (node: ts.Node, replacement: string) => {
    const from = node.getStart(source);
    const line = source.getLineAndCharacterOfPosition(from).line + 1;
    const what = `${text.slice(from, node.end).split("\n")[0]} -> ${replacement || "(nothing)"}`;
    found.push({ file, line, from, to: node.end, text: replacement, what });
  };
  const visit = (node: ts.Node) => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node)) return;
    if (ts.isBinaryExpression(node)) {
      const other = OPERATORS[node.operatorToken.getText(source)];
      const joinsText = [node.left, node.right].some(
        (side) => ts.isStringLiteralLike(side) || ts.isTemplateExpression(side),
      );
      if (other !== undefined && !joinsText) add(node.operatorToken, other);
    }
    if (node.kind === ts.SyntaxKind.TrueKeyword) add(node, "false");
    if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, "true");
    if (ts.isIfStatement(node)) add(node.expression, "false");
    if (ts.isExpressionStatement(node) && isCall(node.expression)) add(node, "");
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isCall(node: ts.Expression): boolean {
  return ts.isCallExpression(node) || (ts.isAwaitExpression(node) && ts.isCallExpression(node.expression));
}

/** The nearest folder of tests that mirrors a file's; a room's tests where it has none of its own. */
function testsOf(file: string): string {
  let folder = dirname(relative(join(root, "src"), file));
  while (!existsSync(join(root, "test", folder))) folder = dirname(folder);
  return join("test", folder);
}

/** Whether the tests that mirror the mutant fail. */
function isNoticed(mutant: Mutant): boolean {
  const before = readFileSync(mutant.file, "utf8");
  try {
    writeFileSync(mutant.file, before.slice(0, mutant.from) + mutant.text + before.slice(mutant.to));
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const args = [vitest, "run", testsOf(mutant.file), "--bail=1", "--maxWorkers=1"];
    return spawnSync(process.execPath, args, { cwd: root, stdio: "ignore", timeout: LONGEST_RUN_MS }).status !== 0;
  } finally {
    writeFileSync(mutant.file, before);
  }
}

const all = values.rooms.split(",").flatMap((room) => {
  const folder = join(root, "src", room);
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".ts")).flatMap((name) => mutantsOf(join(folder, name)));
});
const random = new RandomStream([Number(values.seed), 0]);
const end = performance.now() + Number(values.minutes) * 60_000;
let [tried, noticed] = [0, 0];
while (tried < Number(values.count) && all.length > 0 && performance.now() < end) {
  const [mutant] = all.splice(random.below(all.length), 1);
  if (mutant === undefined) break;
  tried++;
  const killed = isNoticed(mutant);
  if (killed) noticed++;
  const place = `${relative(root, mutant.file)}:${mutant.line}`;
  process.stdout.write(`${killed ? "noticed" : "ALIVE  "} ${place}  ${mutant.what}\n`);
}
process.stdout.write(`${noticed} of ${tried} mutants were noticed (seed ${values.seed})\n`);
