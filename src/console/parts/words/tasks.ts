/** Tasks that a person chooses from: those of one's own data first, then those of official files. */
export const TASKS = [
  "classification",
  "qa",
  "multiple-choice",
  "contrastive",
  "sst-2",
  "cola",
  "mrpc",
  "rte",
  "sts-b",
  "squad-v1",
  "squad-v2",
  "race",
] as const;
