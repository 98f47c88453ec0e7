import { AlbertError, type FieldViolation, invalidInput } from "../../errors.ts";
import {
  OffsetUnit as OffsetUnitField,
  Priority as PriorityField,
  type RequestOptions,
  TruncationPolicy as TruncationField,
} from "../../gen/albert/v1/inference_pb.js";
import type { ModelSelector } from "../../serving/models/selection.ts";
import type { Priority } from "../../serving/scheduler/work.ts";
import type { OffsetUnit } from "../../tasks/offset-units.ts";
import type { RunOptions, TruncationPolicy } from "../../tasks/plan.ts";

// The parts of requests that several RPCs share, with the defaults of the public contract.

/** The options of a request in the program's own terms. */
export interface ReadOptions {
  readonly selector: ModelSelector;
  /** Whose request it is, where the caller says so. */
  readonly routingKey?: string;
  readonly priority: Priority;
  readonly run: RunOptions;
}

/**
 * Reads the enum fields of one request. Values this server does not know are violations; they are thrown together with
 * those that the task finds, so that the caller learns of all at once.
 */
export class EnumFields {
  readonly violations: FieldViolation[] = [];

  /** @param names  what each known number means; the first entry stands for UNSPECIFIED */
  read<T>(field: string, value: number, names: readonly [T, ...T[]]): T {
    const known = names[value];
    if (known !== undefined) return known;
    this.violations.push({ field, description: `must be 0 to ${names.length - 1}, got ${value}` });
    return names[0];
  }

  /** Runs a task's own validation and joins what both found. */
  async joined<T>(plan: () => Promise<T>): Promise<T> {
    if (this.violations.length === 0) return plan();
    try {
      await plan();
    } catch (error) {
      if (error instanceof AlbertError && error.violations.length > 0) {
        throw invalidInput([...this.violations, ...error.violations]);
      }
    }
    throw invalidInput(this.violations);
  }
}

const PRIORITIES = byNumber<Priority>({
  [PriorityField.UNSPECIFIED]: "interactive",
  [PriorityField.INTERACTIVE]: "interactive",
  [PriorityField.BATCH]: "batch",
});

const TRUNCATIONS = byNumber<TruncationPolicy>({
  [TruncationField.UNSPECIFIED]: "error",
  [TruncationField.ERROR]: "error",
  [TruncationField.TRUNCATE]: "truncate",
});

const OFFSET_UNITS = byNumber<OffsetUnit>({
  [OffsetUnitField.UNSPECIFIED]: "utf-16",
  [OffsetUnitField.UTF16]: "utf-16",
  [OffsetUnitField.CODE_POINT]: "code-point",
  [OffsetUnitField.UTF8_BYTE]: "utf-8",
});

/** UTF-16 units. */
const LONGEST_ROUTING_KEY = 256;

const NO_OPTIONS: ReadOptions = {
  selector: { name: "" },
  priority: PRIORITIES[PriorityField.UNSPECIFIED],
  run: { truncation: TRUNCATIONS[TruncationField.UNSPECIFIED] },
};

/** Options with the public contract's defaults: a text that is too long is refused unless the caller allows cutting. */
export function readOptions(options: RequestOptions | undefined, fields: EnumFields): ReadOptions {
  if (options === undefined) return NO_OPTIONS;
  const { routingKey } = options;
  if (routingKey.length > LONGEST_ROUTING_KEY) {
    fields.violations.push({
      field: "options.routing_key",
      description: `must be at most ${LONGEST_ROUTING_KEY} characters, got ${routingKey.length}; a hash of a longer one will do`,
    });
  }
  return {
    selector: modelSelector(options.model, options.pin),
    ...(routingKey === "" ? {} : { routingKey }),
    priority: fields.read("options.priority", options.priority, PRIORITIES),
    run: {
      ...omitUndefined({ head: options.head || undefined, maxTokens: options.maxTokens }),
      truncation: fields.read("options.truncation", options.truncation, TRUNCATIONS),
    },
  };
}

/** A model's name with the version or digest it is pinned to, if any. */
export function modelSelector(model: string, pin: RequestOptions["pin"] | undefined): ModelSelector {
  switch (pin?.case) {
    case "version":
      return { name: model, version: pin.value };
    case "digest":
      return { name: model, digest: pin.value };
    default:
      return { name: model };
  }
}

export function readOffsetUnit(value: OffsetUnitField, fields: EnumFields): OffsetUnit {
  return fields.read("offset_unit", value, OFFSET_UNITS);
}

/** A table by enum number as a dense array. Enum numbers of this contract have no gaps. */
export function byNumber<T>(table: Readonly<Record<number, T>>): readonly [T, ...T[]] {
  const [first, ...rest] = Object.keys(table)
    .map(Number)
    .sort((a, b) => a - b)
    .map((number) => table[number]!);
  return [first!, ...rest];
}

/** The fields that have a value; what the caller left out stays left out, so that defaults apply where they are declared. */
export function omitUndefined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const present: { [K in keyof T]?: Exclude<T[K], undefined> } = {};
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined) present[name] = value as Exclude<T[typeof name], undefined>;
  }
  return present;
}
