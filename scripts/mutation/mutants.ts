import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

// Small wrong changes (mutants) of source files, and which of them a seed draws.

/** One change: what stands at a place, and what is put there. */
export interface Mutant {
  /** From the repository's root. */
  readonly file: string;
  readonly line: number;
  readonly from: number;
  readonly to: number;
  readonly text: string;
  readonly what: string;
  /** File, text of the line, change, and which of several alike it is: stays the same when other lines change. */
  readonly id: string;
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
  "+=": "-=",
  "-=": "+=",
};

/** Every mutant of a file. Types, imports and the texts of errors have none. */
export function mutantsOf(root: string, file: string): Mutant[] {
  const text = readFileSync(join(root, file), "utf8");
  const lines = text.split("\n");
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: Mutant[] = [];
  const alike = new Map<string, number>();
  const add = (node: ts.Node, replacement: string) => {
    const from = node.getStart(source);
    const line = source.getLineAndCharacterOfPosition(from).line + 1;
    const what = `${text.slice(from, node.end).split("\n")[0]} -> ${replacement || "(nothing)"}`;
    const place = `${file}: ${lines[line - 1]!.trim()}: ${what}`;
    const count = (alike.get(place) ?? 0) + 1;
    alike.set(place, count);
    found.push({ file, line, from, to: node.end, text: replacement, what, id: `${place} #${count}` });
  };
  const visit = (node: ts.Node, inError: boolean) => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node)) return;
    if (inError && ts.isTemplateExpression(node)) return;
    if (ts.isBinaryExpression(node)) {
      const other = OPERATORS[node.operatorToken.getText(source)];
      if (other !== undefined && ![node.left, node.right].some(isText)) add(node.operatorToken, other);
    }
    if (node.kind === ts.SyntaxKind.TrueKeyword) add(node, "false");
    if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, "true");
    if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
      add(node, node.operand.getText(source));
    }
    if (ts.isIfStatement(node)) add(node.expression, "false");
    if (ts.isExpressionStatement(node) && isCall(node.expression)) add(node, ";");
    const isError = ts.isNewExpression(node) && node.expression.getText(source).endsWith("Error");
    ts.forEachChild(node, (child) => visit(child, inError || isError));
  };
  visit(source, false);
  return found;
}

function isText(node: ts.Expression): boolean {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
}

function isCall(node: ts.Expression): boolean {
  return ts.isCallExpression(node) || (ts.isAwaitExpression(node) && ts.isCallExpression(node.expression));
}

/**
 * Every mutant of the rooms in the order in which the seed draws them. A mutant's place in it follows from its own id and the seed, so
 * a change elsewhere in the source does not change the sample.
 */
export function drawn(root: string, rooms: readonly string[], seed: string): Mutant[] {
  const files = rooms.flatMap((room) =>
    readdirSync(join(root, "src", room), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => `src/${room}/${name}`),
  );
  const rank = ({ id }: Mutant) => createHash("sha256").update(`${seed}\n${id}`).digest("hex");
  const ranked = files.flatMap((file) => mutantsOf(root, file)).map((mutant) => ({ mutant, rank: rank(mutant) }));
  return ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1)).map(({ mutant }) => mutant);
}
