import type { DataLocation } from "../../../tasks/datasets/data-source.ts";
import type { Example } from "../../../tasks/datasets/examples.ts";
import type { RowIssue } from "../issues.ts";
import type { DelimitedFormat } from "./delimited.ts";
import type { RowValues } from "./fields.ts";

// One row of a data set as the readers give it. Types only.

/** One row of a dataset: an example, or what is wrong with it. */
export type DatasetRow =
  /** Something to count: `example` is absent where the row is rejected. `locate` finds its place, where that costs time. */
  | {
      readonly kind: "row";
      readonly issues: readonly RowIssue[];
      readonly example?: Example;
      readonly locate?: () => DataLocation;
      /** As it stands in the file, for writing it elsewhere; its lines where there are several. Absent in official documents. */
      readonly text?: string;
      /** Its values, where it could be divided into columns. Absent in official layouts. */
      readonly values?: () => RowValues;
    }
  /** Something about the file that is no row. */
  | {
      readonly kind: "file";
      readonly issues: readonly RowIssue[];
      /** The header, as it stands in the file. */
      readonly header?: string;
      /** Of a header: its columns, and how rows are divided into them. Absent in official layouts. */
      readonly table?: { readonly columns: readonly string[]; readonly format: DelimitedFormat };
    };
