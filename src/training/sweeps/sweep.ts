import { type FieldViolation, invalidInput } from "../../errors.ts";
import { deriveSeed } from "../../model/random.ts";
import { FINE_TUNING } from "../settings/fine-tuning.ts";
import { parseTable } from "../settings/table.ts";
import { drawValue, parseSpaces, type SearchSpace, valuesOf } from "./search-space.ts";

// Which trials a sweep has, and at which shares of their steps they are judged: a pure function of what was asked and its seed.

/** How a sweep chooses its trials, in the order of the help. */
export const SWEEP_METHODS = ["grid", "random", "halving"] as const;
export type SweepMethod = (typeof SWEEP_METHODS)[number];

/** What is asked of a sweep, besides what all its trials have in common. */
export interface SweepSpec {
  /**
   * - `grid`: every combination of the values.
   * - `random`: combinations drawn by the seed (Bergstra & Bengio, 2012).
   * - `halving`: drawn as well; all begin, and the better ones go on to more steps: successive halving (Jamieson & Talwalkar, 2016;
   *   one bracket of Hyperband, Li et al., 2018).
   */
  readonly method: SweepMethod;
  /** How the space of each varied setting is written, by the setting's name. */
  readonly vary: Readonly<Record<string, string>>;
  /** Drawn combinations; 0: the default. A grid has as many as it has. */
  readonly trials: number;
  /** Of halving: one of so many trials goes on, to so many times the steps; 0: the default. */
  readonly reduction: number;
}

/** One combination of settings. */
export interface SweepTrial {
  /** From 1. */
  readonly number: number;
  /** Values of the varied settings, by name. */
  readonly settings: Readonly<Record<string, string>>;
}

/** A point at which trials are judged. */
export interface Rung {
  /** Of a trial's own steps, 0 to 1. */
  readonly share: number;
  /** Most trials that come so far. */
  readonly trials: number;
}

/** Everything that a sweep will do, before it does any of it. */
export interface SweepPlan {
  /** Names of the settings that differ, sorted. */
  readonly varied: readonly string[];
  readonly trials: readonly SweepTrial[];
  /** In order; the last one is the whole run. */
  readonly rungs: readonly Rung[];
}

/** Most trials of a sweep. */
export const MOST_TRIALS = 256;
/** Drawn trials where no number is asked for, as far as there are so many. */
export const DEFAULT_TRIALS = 9;
/** Of halving; the value that its authors use. */
export const DEFAULT_REDUCTION = 3;
const LARGEST_REDUCTION = 10;
/** Draws of a combination that no trial before has. */
const ATTEMPTS = 100;

/** Names of the parts of a sweep as its caller writes them, for messages. */
export interface SweepFields {
  readonly method: string;
  /** Comes before the name of a varied setting. */
  readonly vary: string;
  readonly trials: string;
  readonly reduction: string;
}

/**
 * Plans a sweep: the same request and seed give the same trials, and more trials of the same request begin with the same ones.
 *
 * @param fixed  settings that all trials have, by name
 * @throws AlbertError invalid-input with everything that is wrong
 */
export function planSweep(
  spec: SweepSpec,
  fixed: Readonly<Record<string, string>>,
  seed: number,
  fields: SweepFields,
): SweepPlan {
  const { spaces, violations: wrong } = parseSpaces(spec.vary, fields.vary);
  const violations = [...wrong, ...wrongNumbers(spec, fields), ...alsoFixed(spaces, fixed, fields)];
  if (Object.keys(spec.vary).length === 0) {
    violations.push({
      field: fields.vary.replace(/[. ]$/, ""),
      description: "name at least one setting and its values",
    });
  }
  const several = Object.keys(fixed).find((name) => ["seeds", "folds"].includes(name) && fixed[name] !== "1");
  if (spec.method === "halving" && several !== undefined) {
    const description = `judges runs that go on, one for each trial: leave ${several} out, or sweep by grid or random`;
    violations.push({ field: fields.method, description });
  }
  if (violations.length > 0) throw invalidInput(violations);
  const varied = spaces.map(({ name }) => name);
  const settings = spec.method === "grid" ? gridOf(spaces, fields) : drawn(spaces, spec, seed, fields);
  const trials = settings.map((values, i) => ({ number: i + 1, settings: values }));
  return { varied, trials, rungs: rungsOf(spec, trials.length) };
}

function wrongNumbers({ method, trials, reduction }: SweepSpec, fields: SweepFields): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const eta = reduction || DEFAULT_REDUCTION;
  const fewest = method === "halving" ? eta : 1;
  if (method === "grid" && trials !== 0) {
    const description = `a grid has a trial for each combination: leave it out, got ${trials}`;
    violations.push({ field: fields.trials, description });
  } else if (!Number.isInteger(trials) || trials < 0 || trials > MOST_TRIALS || (trials > 0 && trials < fewest)) {
    const description = `expected an integer from ${fewest} to ${MOST_TRIALS}, got ${trials}`;
    violations.push({ field: fields.trials, description });
  }
  if (method !== "halving" && reduction !== 0) {
    const description = `belongs to the method halving, got ${reduction} with ${method}`;
    violations.push({ field: fields.reduction, description });
  } else if (!Number.isInteger(eta) || eta < 2 || eta > LARGEST_REDUCTION) {
    const description = `expected an integer from 2 to ${LARGEST_REDUCTION}, got ${reduction}`;
    violations.push({ field: fields.reduction, description });
  }
  return violations;
}

function alsoFixed(
  spaces: readonly SearchSpace[],
  fixed: Readonly<Record<string, string>>,
  fields: SweepFields,
): FieldViolation[] {
  const names = Object.keys(fixed).map((name) => name.replaceAll("-", "_"));
  return spaces
    .filter(({ name }) => names.includes(name))
    .map(({ name }) => ({ field: `${fields.vary}${name}`, description: "is varied and fixed: give one of them" }));
}

function gridOf(spaces: readonly SearchSpace[], fields: SweepFields): Record<string, string>[] {
  let combinations: Record<string, string>[] = [{}];
  for (const space of spaces) {
    const values = valuesOf(space);
    if (values === undefined) {
      const description =
        "a grid needs single values, such as 1e-5,3e-5 or int:2..5; ranges are drawn by random or halving";
      throw invalidInput([{ field: `${fields.vary}${space.name}`, description }]);
    }
    combinations = combinations.flatMap((rest) => values.map((value) => ({ ...rest, [space.name]: value })));
    if (combinations.length > MOST_TRIALS) {
      const description = `expected at most ${MOST_TRIALS} combinations; give fewer values, or sweep by random`;
      throw invalidInput([{ field: fields.method, description }]);
    }
  }
  return combinations;
}

function drawn(
  spaces: readonly SearchSpace[],
  { trials: asked }: SweepSpec,
  seed: number,
  fields: SweepFields,
): Record<string, string>[] {
  const count = asked || DEFAULT_TRIALS;
  const found = new Map<string, Record<string, string>>();
  for (let index = 0; index < count; index++) {
    const before = found.size;
    for (let attempt = 0; attempt < ATTEMPTS && found.size === before; attempt++) {
      const values = Object.fromEntries(
        spaces.map((space) => [space.name, drawValue(space, deriveSeed(seed, "sweep", index, attempt, space.name))]),
      );
      const key = JSON.stringify(values);
      if (!found.has(key)) found.set(key, values);
    }
    if (found.size === before && asked === 0) break; // there are no more, and nobody asked for so many
    if (found.size === before) {
      const description = `expected at most as many as there are different settings, about ${before}, got ${count}`;
      throw invalidInput([{ field: fields.trials, description }]);
    }
  }
  return [...found.values()];
}

/** Of halving as many rungs as leave one trial on the last; else the whole run alone. */
function rungsOf({ method, reduction }: SweepSpec, trials: number): Rung[] {
  if (method !== "halving") return [{ share: 1, trials }];
  const eta = reduction || DEFAULT_REDUCTION;
  const rungs: Rung[] = [];
  for (let left = trials; left >= 1; left = Math.floor(left / eta)) rungs.push({ share: 0, trials: left });
  return rungs.map((rung, i) => ({ ...rung, share: eta ** (i + 1 - rungs.length) }));
}

/**
 * Refuses trials whose settings contradict each other, or what is fixed.
 *
 * @param prefix  comes before the name of a fixed setting in the report, such as `spec.recipe.`
 * @throws AlbertError invalid-input with what is wrong in the first such trial
 */
export function checkTrials(
  { trials, varied }: SweepPlan,
  fixed: Readonly<Record<string, string>>,
  fields: Pick<SweepFields, "vary">,
  prefix: string,
): void {
  for (const { number, settings } of trials) {
    const { violations } = parseTable(FINE_TUNING, { ...fixed, ...settings }, "");
    if (violations.length === 0) continue;
    throw invalidInput(
      violations.map(({ field, description }) => ({
        field: `${varied.includes(field) ? fields.vary : prefix}${field}`,
        description: `${description} (trial ${number})`,
      })),
    );
  }
}

/** How many whole runs a sweep takes as many steps as: trials that stop early count by what they do. */
export function runsOf({ rungs }: Pick<SweepPlan, "rungs">): number {
  return rungs.reduce((sum, { share, trials }, i) => sum + trials * (share - (rungs[i - 1]?.share ?? 0)), 0);
}

/** The step up to which a trial is trained before it is judged at a rung. @param steps  of its whole run */
export function stepsAt({ share }: Pick<Rung, "share">, steps: number): number {
  return share === 1 ? steps : Math.max(1, Math.ceil(share * steps - 1e-9));
}
