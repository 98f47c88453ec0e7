import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, it } from "vitest";

/**
 * Which rooms each room may import, besides itself. Arrows never turn back. `errors.ts` and `platform/` are open to
 * every room and are not listed.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  gen: [],
  platform: [],
  config: [],
  metrics: [],
  tokenizer: [],
  model: ["tokenizer"],
  graph: ["model"],
  runtime: ["graph", "model", "config"],
  tasks: ["tokenizer", "model", "runtime"],
  serving: ["tasks", "runtime", "graph", "model", "tokenizer", "config", "metrics"],
  training: ["tasks", "tokenizer", "model", "graph", "runtime", "config"],
  pretraining: ["training", "tasks", "tokenizer", "model", "graph", "runtime", "config"],
  store: ["model", "config"],
  deployment: ["jobs", "store", "serving", "tasks", "training", "runtime", "model", "tokenizer", "config", "metrics"],
  jobs: ["pretraining", "training", "tasks", "store", "runtime", "graph", "model", "tokenizer", "config", "metrics"],
  server: [
    "deployment",
    "jobs",
    "serving",
    "store",
    "pretraining",
    "training",
    "tasks",
    "runtime",
    "model",
    "tokenizer",
    "config",
    "metrics",
    "gen",
  ],
  client: ["gen"],
  app: [
    "deployment",
    "server",
    "jobs",
    "serving",
    "store",
    "pretraining",
    "training",
    "tasks",
    "runtime",
    "graph",
    "model",
    "tokenizer",
    "config",
    "metrics",
  ],
  cli: [
    "app",
    "client",
    "server",
    "jobs",
    "serving",
    "store",
    "pretraining",
    "training",
    "tasks",
    "runtime",
    "graph",
    "model",
    "tokenizer",
    "config",
    "metrics",
    "gen",
  ],
};

/** The only places that may import each external package: a room, or one file. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  "@grpc/": ["server", "client", "cli"],
  "@connectrpc/": ["server"],
  send: ["server"],
  "onnxruntime-node": ["runtime"],
  "@tensorflow/": ["model", "graph", "training"],
  "sentencepiece-js": ["tokenizer"],
  "prom-client": ["metrics"],
  "@aws-sdk/": ["store"],
  commander: ["cli"],
  zod: ["config"],
};

const root = join(import.meta.dirname, "..");
const src = join(root, "src");

interface Import {
  readonly file: string;
  readonly target: string;
}

function sourceFiles(): string[] {
  return readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.startsWith("console"))
    .map((path) => join(src, path));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8");
  return [
    ...text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/g),
  ].map((match) => ({ file, target: (match[1] ?? match[2])! }));
}

function roomOf(file: string): string | undefined {
  const [first, ...rest] = relative(src, file).split(/[\\/]/);
  return rest.length === 0 ? (first === "app.ts" ? "app" : undefined) : first;
}

describe("the house", () => {
  const imports = sourceFiles().flatMap(importsOf);

  it("reads its own imports", () => {
    expect(imports.length).toBeGreaterThan(3);
  });

  it("has only arrows that the plan allows", () => {
    const wrong = imports.flatMap(({ file, target }) => {
      if (!target.startsWith(".")) return [];
      const from = roomOf(file);
      const to = roomOf(normalize(join(dirname(file), target)));
      if (from === undefined || to === undefined || to === "platform" || from === to) return [];
      return (ROOMS[from] ?? []).includes(to) ? [] : [`${relative(root, file)} -> ${to}`];
    });
    expect(wrong).toEqual([]);
  });

  it("gives every external package one door", () => {
    const wrong = imports.flatMap(({ file, target }) => {
      const door = Object.entries(DOORS).find(
        ([name]) => target === name || target.startsWith(name.endsWith("/") ? name : `${name}/`),
      );
      if (door === undefined || door[1].includes(roomOf(file) ?? "")) return [];
      return [`${relative(root, file)} imports ${target}`];
    });
    expect(wrong).toEqual([]);
  });

  it("reads the environment only in config/ and worker entry points", () => {
    const wrong = sourceFiles().filter(
      (file) => roomOf(file) !== "config" && /process\.env\b/.test(readFileSync(file, "utf8")),
    );
    expect(wrong.map((file) => relative(root, file))).toEqual([]);
  });

  it("has no file named for nothing", () => {
    const wrong = sourceFiles().filter((file) =>
      /(^|[/-])(utils?|helpers?|common|manager|misc)[^/]*\.ts$/.test(relative(src, file)),
    );
    expect(wrong.map((file) => relative(root, file))).toEqual([]);
  });

  it("explains every file over 600 lines at its head", () => {
    const wrong = sourceFiles().filter((file) => {
      const lines = readFileSync(file, "utf8").split("\n");
      return roomOf(file) !== "gen" && lines.length > 600 && !/over 600 lines/i.test(lines.slice(0, 30).join("\n"));
    });
    expect(wrong.map((file) => relative(root, file))).toEqual([]);
  });
});
