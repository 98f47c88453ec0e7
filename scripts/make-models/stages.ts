import { type SpawnSyncOptions, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** Values of a command's flags by their names. */
export type Flags = Readonly<Record<string, string | number>>;

/** Flags as a command line takes them. */
export function flagsOf(flags: Flags): string[] {
  return Object.entries(flags).map(([name, value]) => `--${name.replaceAll("_", "-")}=${value}`);
}

/**
 * The files whose path below a directory begins with a prefix, in the order of their names.
 *
 * @param prefix  such as `squad/dev-v1.1` or `corpus/`
 * @throws Error when there is none
 */
export function dataFiles(directory: string, prefix: string): string[] {
  const folder = join(directory, prefix.endsWith("/") ? prefix : dirname(prefix));
  const start = prefix.endsWith("/") ? "" : basename(prefix);
  const files = existsSync(folder)
    ? readdirSync(folder).filter((name) => name.startsWith(start) && /\.(txt|tsv|json|tar)(\.gz)?$/.test(name))
    : [];
  if (files.length === 0) throw new Error(`${directory} holds no ${prefix}*`);
  return files.sort().map((name) => join(folder, name));
}

/** Where models are made, and by what. */
export interface Workshop {
  readonly stages: Stages;
  /** Directory of the public data. */
  readonly data: string;
  /** Directory of everything that is made. */
  readonly work: string;
  /** Flags of the device that computes. */
  readonly machine: Flags;
  readonly seed: string;
}

/** Runs commands one after the other, each once: one whose result is there already is not run again. */
export class Stages {
  /** Every command in order, as somebody would type it. */
  readonly commands: string[] = [];
  readonly #work: string;

  constructor(work: string) {
    this.#work = work;
    mkdirSync(work, { recursive: true });
  }

  /**
   * @param made     the file that is there when the command has succeeded, and only then
   * @param program  `albert`, or a script of this project
   */
  run(name: string, made: string, program: string, args: readonly string[]): void {
    this.#note(program, args);
    if (this.#done(name, made)) return;
    execute(name, program, args, { stdio: "inherit" });
  }

  /** As `run`, for a training run that makes a model directory and goes on where it was interrupted. */
  train(name: string, output: string, args: readonly string[]): void {
    this.#note("albert", args);
    if (this.#done(name, join(output, "manifest.json"))) return;
    const resume = existsSync(`${output}.run`) ? ["--resume"] : [];
    execute(name, "albert", [...args, ...resume], { stdio: "inherit" });
  }

  /** As `run`, for a command that prints JSON, which is kept. @param file  where, below the work directory */
  json(name: string, file: string, program: string, args: readonly string[]): unknown {
    const made = join(this.#work, file);
    this.#note(program, args);
    if (!this.#done(name, made)) {
      const text = execute(name, program, args, { stdio: ["ignore", "pipe", "inherit"] });
      mkdirSync(dirname(made), { recursive: true });
      writeFileSync(`${made}.part`, text);
      renameSync(`${made}.part`, made);
    }
    return JSON.parse(readFileSync(made, "utf8"));
  }

  #done(name: string, made: string): boolean {
    const done = existsSync(made);
    console.log(done ? `${name}: done already` : `\n${name}`);
    return done;
  }

  #note(program: string, args: readonly string[]): void {
    const words = args.map((word) => (/[\s"']/.test(word) || word === "" ? JSON.stringify(word) : word));
    const command = program === "albert" ? "albert" : `node --import tsx ${program}`;
    this.commands.push([command, ...words].join(" ").replaceAll(`${this.#work}/`, ""));
  }
}

/**
 * Whole sentences of SST-2 apart, with their phrases: any other choice of its rows would be seen in training in parts.
 *
 * @returns flags of `albert train`
 */
export function heldOutSentences({ stages, work }: Workshop, train: string, settings: Flags) {
  const output = join(work, "sst-2");
  const made = join(output, "held-out.tsv");
  const count = String(settings["count"]);
  stages.run("holding sentences out", made, "scripts/hold-out-sentences.ts", [train, output, count]);
  return { train: join(output, "train.tsv"), eval: made };
}

/** @returns what the program wrote to a piped standard output. A failure ends this process: the program has said why. */
function execute(name: string, program: string, args: readonly string[], options: SpawnSyncOptions): string | Buffer {
  const [command, ...first] =
    program === "albert" ? [join(root, "bin/albert")] : [process.execPath, "--import", "tsx", join(root, program)];
  const { status, error, stdout } = spawnSync(command!, [...first, ...args], { ...options, cwd: root });
  if (status === 0) return stdout ?? "";
  console.error(
    `${name} did not end well${error === undefined ? "" : ` (${error.message})`}; run this again to go on from here`,
  );
  process.exit(status ?? 1);
}
