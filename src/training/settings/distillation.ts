import { invalidInput } from "../../errors.ts";
import { FINE_TUNING, type GivenSettings } from "./fine-tuning.ts";
import { nameOf, parseTable, type Row, type ValuesOf } from "./table.ts";
import { between, choice, integer, list, type ValueType } from "./value-type.ts";

// The table of what a distillation adds to the hyperparameters of a fine-tune.

/** What the defaults of a distillation may depend on. */
export interface DistillationDefaults {
  /** As a list of `student:teacher`. */
  readonly uniformLayers: readonly string[];
  readonly teacherBlocks: number;
  readonly relationHeads: number;
  readonly answers: readonly [answers: "stored" | "computed", why: string];
}

const row = <const T extends ValueType>(
  type: T,
  description: string,
  more: Omit<Row<T, DistillationDefaults>, "type" | "description"> = {},
): Row<T, DistillationDefaults> => ({ type, description, ...more });

const weight = between(0, 1_000_000);

/** Every setting of a distillation besides those of a fine-tune. */
export const DISTILLATION = {
  hardWeight: row(weight, "weight of the loss against the labels of the data", {
    otherwise: () => [0.5, "labels count half as much as the teacher's answers"],
    default: "0.5",
  }),
  softWeight: row(weight, "weight of the divergence from the teacher's answers (Hinton et al. 2015)", {
    otherwise: () => [1, "the teacher's answers are what is learnt"],
    default: "1",
  }),
  temperature: row({ kind: "number", minimum: 0.1, maximum: 100 }, "temperature at which both answers are compared", {
    otherwise: () => [2, "shows what a sure teacher thinks of the other labels"],
    default: "2",
  }),
  hiddenWeight: row(weight, "weight of the distance between hidden states, through a learnt projection (TinyBERT)", {
    otherwise: () => [0, "off unless asked for: the teacher then computes in every step"],
    default: "0",
  }),
  relationWeight: row(weight, "weight of the divergence between attention relations (MiniLMv2)", {
    otherwise: () => [0, "off unless asked for: the teacher then computes in every step"],
    default: "0",
  }),
  layerMap: row(
    list,
    "student:teacher for each pair of blocks whose hidden states are compared; 0 is what the first reads",
    {
      otherwise: ({ uniformLayers }) => [uniformLayers, "each block follows the teacher's at its depth"],
      default: "each block follows the teacher's at its depth",
    },
  ),
  relationLayer: row(integer(1), "the teacher's block whose relations the student's last block learns", {
    otherwise: ({ teacherBlocks }) => [teacherBlocks, "the teacher's last block"],
    default: "the teacher's last",
  }),
  relationHeads: row(integer(1), "heads into which queries, keys and values are split for their relations", {
    otherwise: ({ relationHeads }) => [
      relationHeads,
      "the teacher's attention heads, or the most below them that fit both widths",
    ],
    default: "the teacher's attention heads, or the most below them that fit both widths",
  }),
  teacherAnswers: row(
    choice("stored", "computed"),
    "whether the teacher answers once before training, or in every step",
    {
      otherwise: ({ answers }) => answers,
      default: "stored where answers are all that is learnt and the data is passed over more than once",
    },
  ),
  studentStart: row(choice("teacher", "random"), "what a student given as an architecture begins with", {
    otherwise: () => ["teacher", "what of the teacher's weights fits a student is a better start than random numbers"],
    default: "teacher",
  }),
} as const;

/** What may be given of a distillation. */
export type GivenDistillation = Partial<ValuesOf<typeof DISTILLATION>>;
/** Everything that decides how a student is taught. */
export type DistillationSettings = ValuesOf<typeof DISTILLATION>;

/**
 * Reads the settings of a distillation's run, written as text: those of its fine-tune and its own.
 *
 * @param prefix  comes before each name in the report, such as `recipe.`
 * @throws AlbertError invalid-input with every unknown name and every wrong value
 */
export function parseDistillation(
  given: Readonly<Record<string, string>>,
  prefix = "",
): {
  readonly settings: GivenSettings;
  readonly distillation: GivenDistillation;
  readonly warnings: readonly string[];
} {
  const own = new Set(Object.keys(DISTILLATION).map(nameOf));
  const isOwn = ([name]: readonly [string, string]) => own.has(name.replaceAll("-", "_"));
  const entries = Object.entries(given);
  const { values, violations } = parseTable(DISTILLATION, Object.fromEntries(entries.filter(isOwn)), prefix);
  const others = Object.fromEntries(entries.filter((entry) => !isOwn(entry)));
  const training = parseTable(FINE_TUNING, others, prefix);
  if (violations.length + training.violations.length > 0) throw invalidInput([...violations, ...training.violations]);
  return { settings: training.values, distillation: values, warnings: training.warnings };
}
