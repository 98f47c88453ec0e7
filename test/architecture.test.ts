import { existsSync, readdirSync, readFileSync } from "node:fs";
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
  access: [],
  metrics: [],
  tracing: [],
  tokenizer: [],
  model: ["tokenizer"],
  graph: ["model"],
  runtime: ["graph", "model"],
  tasks: ["runtime", "model", "tokenizer"],
  serving: ["tasks", "runtime", "model", "tokenizer", "metrics", "tracing", "config"],
  report: ["tasks", "model"],
  search: ["tasks", "model"],
  training: ["tasks", "runtime", "graph", "model", "tokenizer", "config"],
  pretraining: ["training", "tasks", "runtime", "model", "tokenizer"],
  store: ["model"],
  jobs: ["report", "store", "pretraining", "training", "tasks", "runtime", "model", "tokenizer"],
  deployment: ["report", "jobs", "store", "training", "serving", "tasks", "runtime", "model"],
  server: [
    "access",
    "report",
    "deployment",
    "jobs",
    "store",
    "training",
    "serving",
    "search",
    "tasks",
    "model",
    "metrics",
    "tracing",
    "config",
    "gen",
  ],
  client: ["gen"],
  app: ["server", "search", "serving", "runtime", "metrics", "tracing", "config"],
  cli: [
    "app",
    "client",
    "server",
    "access",
    "pretraining",
    "training",
    "tasks",
    "runtime",
    "graph",
    "model",
    "tokenizer",
    "config",
    "gen",
    "store",
    "search",
    "report",
  ],
};

/** The only places that may import each external package: a room, or one file. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  "@grpc/": ["server", "client", "cli"],
  "@connectrpc/": ["server"],
  send: ["server"],
  htmlparser2: ["search"],
  "onnxruntime-node": ["runtime"],
  koffi: ["runtime", "platform"],
  "@tensorflow/": ["model", "graph", "training"],
  "sentencepiece-js": ["tokenizer"],
  "prom-client": ["metrics"],
  "@aws-sdk/": ["store"],
  commander: ["cli"],
  "@opentelemetry/": ["tracing"],
  "@kubernetes/": ["jobs"],
  zod: ["config"],
  jose: ["access"],
  limiter: ["access"],
  "lru-cache": ["access", "serving"],
};

/** Folders of tests that mirror no room: goldens, whole servers, and what lies outside of `src/`. */
const TESTS_OF_SEVERAL_ROOMS: readonly string[] = [
  "distributed",
  "golden",
  "e2e",
  "deploy",
  "docs",
  "loadtest",
  "scripts",
];

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
  return rest.length === 0 ? (["app.ts", "run-job.ts"].includes(first!) ? "app" : undefined) : first;
}

const IMPORTS = /^(?:#!.*\n)?(?:import\b[^;]*;.*\n+)*/;
/** Line comments that stand alone and end with a full stop. */
const HEAD = /^(?:\/\/.*\n)*\/\/ .*\.\n\n/;
const EXPORT = /^export (?:default |abstract |async )*(function\*?|class|const|let|enum|interface|type) (\w+)/gm;

/** Whether a file says what it is for: in a head after its imports, or in the docstring of the one thing that it exports. */
function saysWhatItIsFor(text: string): boolean {
  const body = text.replace(IMPORTS, "");
  if (HEAD.test(body)) return true;
  const exported = [...body.matchAll(EXPORT)].map(([, kind, name]) => ({ name, isType: /interface|type/.test(kind!) }));
  const [first] = exported;
  if (first === undefined || /^export (?:type )?[{*]/m.test(body)) return false;
  if (exported.some(({ name, isType }) => name !== first.name && (first.isType || !isType))) return false;
  return new RegExp(`\\*/\\nexport [\\w* ]*\\b${first.name}\\b`).test(body);
}

/** The circles that a depth-first walk along the arrows meets, each from its first file back to it. */
function circles(arrows: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const walk = (file: string) => {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file]);
    if (done.has(file) || path.includes(file)) return;
    path.push(file);
    for (const target of arrows.get(file) ?? []) walk(target);
    path.pop();
    done.add(file);
  };
  for (const file of arrows.keys()) walk(file);
  return found;
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

  it("lists in ARCHITECTURE the same rooms and arrows as here", () => {
    const page = readFileSync(join(root, "docs/ARCHITECTURE.md"), "utf8");
    const table = page.slice(page.indexOf("## The rooms"), page.indexOf("\n## ", page.indexOf("## The rooms") + 5));
    const rows = [...table.matchAll(/^\| `([a-z]+)(?:\/|\.ts)` \| [^|]+ \| ([^|]+) \|$/gm)].map(
      ([, room, arrows]) => [room!, arrows!.trim() === "-" ? [] : arrows!.trim().split(", ").sort()] as const,
    );
    const enforced = Object.entries(ROOMS).map(([room, arrows]) => [room, [...arrows].sort()] as const);
    const byName = (a: readonly [string, unknown], b: readonly [string, unknown]) => (a[0] < b[0] ? -1 : 1);
    expect([...rows].sort(byName)).toEqual([...enforced].sort(byName));
  });

  it("has no circle of files, not even of types", () => {
    const arrows = new Map<string, string[]>();
    for (const { file, target } of imports) {
      if (target.startsWith("."))
        arrows.set(file, [...(arrows.get(file) ?? []), normalize(join(dirname(file), target))]);
    }
    expect(circles(arrows).map((circle) => circle.map((file) => relative(src, file)))).toEqual([]);
  });

  it("has no folder of more than 16 files", () => {
    const counts = new Map<string, number>();
    for (const file of readdirSync(src, { recursive: true, encoding: "utf8" })) {
      if (!/\.tsx?$/.test(file)) continue;
      counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
    }
    expect([...counts].filter(([, count]) => count > 16)).toEqual([]);
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

  /** They read variables of other programs, or of the tests, which are no settings of this one. */
  const readsOthersVariables = new Set(["src/runtime/openvino/find-library.ts", "src/platform/threads/built-entry.ts"]);

  it("reads the environment only in config/ and worker entry points", () => {
    const wrong = sourceFiles().filter(
      (file) =>
        roomOf(file) !== "config" &&
        !readsOthersVariables.has(relative(root, file)) &&
        /process\.env\b/.test(readFileSync(file, "utf8")),
    );
    expect(wrong.map((file) => relative(root, file))).toEqual([]);
  });

  it("ends threads in one place, which knows whether that harms the process", () => {
    const ends = /\.terminate\(/;
    const wrong = sourceFiles().filter((file) => ends.test(readFileSync(file, "utf8")));
    expect(wrong.map((file) => relative(src, file))).toEqual([join("platform", "threads", "worker.ts")]);
  });

  it("has no file named for nothing", () => {
    const wrong = sourceFiles().filter((file) =>
      /(^|[/-])(utils?|helpers?|common|manager|misc)[^/]*\.ts$/.test(relative(src, file)),
    );
    expect(wrong.map((file) => relative(root, file))).toEqual([]);
  });

  it("says in each file what it is for", () => {
    const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter(
      (path) => /\.tsx?$/.test(path) && !/\.d\.ts$/.test(path) && !path.startsWith("gen"),
    );
    expect(files.length).toBeGreaterThan(100);
    expect(files.filter((path) => !saysWhatItIsFor(readFileSync(join(src, path), "utf8")))).toEqual([]);
  });

  it("has its tests in folders of the same names", () => {
    const folders = new Set(
      readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
        .filter((path) => path.endsWith(".test.ts"))
        .map(dirname)
        .filter((folder) => folder !== "." && !TESTS_OF_SEVERAL_ROOMS.includes(folder)),
    );
    expect(folders.size).toBeGreaterThan(20);
    expect([...folders].filter((folder) => !existsSync(join(src, folder)))).toEqual([]);
  });

  it("explains every file over 600 lines at its head", () => {
    const wrong = sourceFiles().filter((file) => {
      const lines = readFileSync(file, "utf8").split("\n");
      return roomOf(file) !== "gen" && lines.length > 600 && !/over 600 lines/i.test(lines.slice(0, 30).join("\n"));
    });
    expect(wrong.map((file) => relative(root, file))).toEqual([]);
  });
});
