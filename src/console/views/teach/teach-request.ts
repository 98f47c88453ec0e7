import { JobKind, PromotePolicy } from "../../../gen/albert/v1/training_pb.js";
import { type Reading, readingInAddress, readingOf, recipeOfReading } from "../../parts/data/reading.ts";

// What the page of teaching says, as it stands in its address, and the job that it asks for.

export interface TeachFields {
  /** Digest of the data; empty: not chosen yet. */
  readonly data: string;
  readonly reading: Reading;
  /** Share of rows that cannot be used and may be left out; empty: none may. */
  readonly skip: string;
  /** What the model is called. */
  readonly name: string;
  /** Where its weights start; empty: what serves under its name. */
  readonly start: string;
  /** Digest of held-out data; empty: a part of the data. */
  readonly evaluation: string;
  /** Digest of further data in the same layout; empty: none. */
  readonly further: string;
  /** Percent of what is drawn that comes of it. */
  readonly furtherShare: string;
  readonly steps: string;
  readonly promote: boolean;
}

export function fieldsOf(parameters: URLSearchParams): TeachFields {
  const of = (name: string) => parameters.get(name) ?? "";
  return {
    ...{ data: of("data"), reading: readingOf(parameters), skip: of("skip"), name: of("name"), start: of("start") },
    ...{
      further: of("more"),
      furtherShare: of("share") || "10",
      evaluation: of("eval"),
      steps: of("steps"),
      promote: of("promote") !== "no",
    },
  };
}

export function inAddress(fields: TeachFields) {
  const { data, reading, skip, name, start, further, furtherShare, evaluation, steps, promote } = fields;
  return {
    ...{ data, ...readingInAddress(reading), skip, name, start },
    ...{
      more: further,
      share: further === "" || furtherShare === "10" ? "" : furtherShare,
      eval: evaluation,
      steps,
      promote: promote ? "" : "no",
    },
  };
}

/** What of the recipe decides how rows are read and judged. */
export function checkRecipe({ reading, skip, start }: TeachFields): Record<string, string> {
  return {
    ...recipeOfReading(reading),
    ...(skip === "" ? {} : { skip_invalid: skip }),
    // The labels of another model say nothing of those of this one.
    ...(reading.task === "classification" && start !== "" ? { labels_from: "data" } : {}),
  };
}

/** The job. */
export function specOf(fields: TeachFields) {
  const { data, reading, name, start, evaluation, further, furtherShare, steps, promote } = fields;
  const share = Number(furtherShare);
  const mixed = { trainWeight: 100 - share, furtherTrain: [{ source: { dataset: further }, weight: share }] };
  return {
    ...{ kind: JobKind.FINE_TUNE, model: name.trim(), task: reading.task, init: start, train: { dataset: data } },
    ...(evaluation === "" ? {} : { eval: { dataset: evaluation } }),
    ...(further === "" ? {} : mixed),
    recipe: { ...checkRecipe(fields), ...(steps === "" ? {} : { train_step: steps }) },
    promote: promote ? PromotePolicy.AUTO_IF_BETTER : PromotePolicy.MANUAL,
  };
}
