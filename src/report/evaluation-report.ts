// What an evaluation found, as one structure that is printed, kept with a version, sent and drawn. Types only; docs/evaluation.md
// tells it to people.

/** Changes when a reader of earlier reports could not read a new one. */
export const REPORT_FORMAT = 1;

/** What kind of answers a report is about. */
export type ReportKind =
  | "single-label"
  | "multi-label"
  | "regression"
  | "similarity"
  | "choices"
  | "questions"
  | "retrieval";

/** All that is known of how one model answers one data set. Every share is 0 to 1; what cannot be computed is left out. */
export interface EvaluationReport {
  readonly formatVersion: typeof REPORT_FORMAT;
  readonly kind: ReportKind;
  /** As `albert evaluate --task` names it. */
  readonly task: string;
  readonly model?: { readonly name: string; readonly digest: string };
  readonly data: {
    readonly name?: string;
    /** sha256, hex. */
    readonly digest?: string;
    readonly examples: number;
    /** Examples with a right answer to compare with. */
    readonly judged: number;
  };
  /** How the intervals were got. */
  readonly resampling: { readonly samples: number; readonly seed: number };
  /** The headline figures, the one that decides first. */
  readonly figures: readonly Figure[];
  /** What a reader should look at first, in sentences. */
  readonly findings: readonly string[];
  readonly classes?: readonly ClassFigures[];
  readonly averages?: Readonly<Record<"micro" | "macro" | "weighted", ClassScores>>;
  readonly confusion?: Confusion;
  /** Bins of the largest probability, equally wide, those without rows left out. */
  readonly reliability?: readonly ReliabilityBin[];
  /** What would be answered, and how well, if only answers that are sure enough were given. */
  readonly coverage?: readonly CoverageRow[];
  readonly thresholds?: readonly ThresholdTable[];
  readonly curves?: readonly RankingCurves[];
  /** How well it knows that there is no answer. */
  readonly nullAnswers?: NullAnswers;
  readonly residuals?: Residuals;
  readonly slices: readonly SliceTable[];
  /** Wrong answers, the highest loss first. */
  readonly worst: readonly ReportedRow[];
  /** Answers with the least distance between the first choice and the second. */
  readonly leastSure: readonly ReportedRow[];
  readonly labelErrors?: LabelErrors;
  /** Present where the training data was given. */
  readonly duplicates?: Duplicates;
}

/** One figure with its 95 % bootstrap interval. */
export interface Figure {
  /** Official where there is an official name. */
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface ClassScores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** How one label is told from all others. */
export interface ClassFigures extends ClassScores {
  readonly label: string;
  /** Rows whose label it is. */
  readonly support: number;
  /** Rows that are given it. */
  readonly predicted: number;
  /** Area under the ROC curve of this label against the rest. */
  readonly rocAuc?: number;
  /** Area under the precision-recall curve as a sum over its steps. */
  readonly averagePrecision?: number;
}

export interface Confusion {
  readonly labels: readonly string[];
  /** Cells that are not 0: index of the right label, index of the given one, rows. */
  readonly cells: readonly (readonly [right: number, given: number, rows: number])[];
}

export interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly confidence: number;
  readonly accuracy: number;
}

export interface CoverageRow {
  /** Answers with at least this probability. */
  readonly confidence: number;
  readonly rows: number;
  readonly share: number;
  readonly accuracy: number;
}

/** Decisions about one label by "from this probability on". */
export interface ThresholdTable {
  readonly label: string;
  readonly rows: readonly (ClassScores & {
    readonly threshold: number;
    /** Share of rows that would be given the label. */
    readonly given: number;
  })[];
  /** Where F1 is highest on this very data. */
  readonly best: { readonly threshold: number; readonly f1: number };
}

/** Points of the curves of one label against the rest, thinned out for drawing. */
export interface RankingCurves {
  readonly label: string;
  readonly roc: readonly (readonly [falsePositiveRate: number, truePositiveRate: number])[];
  readonly precisionRecall: readonly (readonly [recall: number, precision: number])[];
}

export interface NullAnswers extends ClassScores {
  /** Questions without an answer. */
  readonly actual: number;
  /** Questions that were answered with nothing. */
  readonly predicted: number;
}

/** Prediction minus right value. */
export interface Residuals {
  readonly mean: number;
  readonly standardDeviation: number;
  readonly quantiles: readonly { readonly share: number; readonly value: number }[];
  readonly histogram: readonly { readonly from: number; readonly to: number; readonly rows: number }[];
  /** Some rows, for drawing. */
  readonly points: readonly (readonly [right: number, predicted: number])[];
}

/** Parts of the data by one property. */
export interface SliceTable {
  readonly name: string;
  readonly measure: Measure;
  readonly slices: readonly Slice[];
}

/** What is averaged over the rows of a slice. */
export type Measure = "accuracy" | "F1" | "reciprocal rank" | "absolute error";

export interface Slice {
  readonly value: string;
  readonly rows: number;
  readonly score: number;
  /** 95 % interval of the score. */
  readonly low: number;
  readonly high: number;
  /** Share of exact matches, for questions. */
  readonly exact?: number;
}

/** A row as a person looks it up. */
export interface ReportedRow {
  readonly id: string;
  /** `file:line` */
  readonly place: string;
  /** Shortened. */
  readonly text: string;
  readonly right: string;
  readonly predicted: string;
  /** Probability of what is predicted. */
  readonly confidence?: number;
  readonly loss: number;
}

/** Rows whose label is likely wrong, by confident learning. */
export interface LabelErrors {
  /** How many rows are suspected in all. */
  readonly rows: number;
  /** The likeliest first. */
  readonly list: readonly ReportedRow[];
}

/** Texts that are in the training data too, case, punctuation and white space aside. */
export interface Duplicates {
  readonly trainingExamples: number;
  readonly rows: number;
  /** Those with another right answer there. */
  readonly conflicting: number;
  /** The measure of the slices without these rows; absent where none is left. */
  readonly scoreWithout?: number;
  readonly list: readonly (ReportedRow & { readonly trainingPlace: string; readonly conflicting: boolean })[];
}
