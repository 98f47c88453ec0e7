import { InferenceService } from "../../gen/albert/v1/inference_pb.js";
import { ModelService } from "../../gen/albert/v1/models_pb.js";
import { SearchService } from "../../gen/albert/v1/search_pb.js";
import { DatasetService, TrainingService } from "../../gen/albert/v1/training_pb.js";

// Which reasons each call can fail with. A call that is added to a service does not compile without its row here;
// `docs/errors.md` is generated from it, and a test looks for reasons that no call has.

/** Reasons of every call, whatever it does. */
export const EVERY_CALL = [
  "FIELD_INVALID",
  "MESSAGE_TOO_LARGE",
  "CALL_UNSUPPORTED",
  "CREDENTIALS_REFUSED",
  "NOT_ALLOWED",
  "MEMORY_BUDGET",
  "CALLER_LIMIT",
  "DEADLINE_PASSED",
  "CANCELLED",
  "DRAINING",
  "BUG",
] as const;

/** The call names a model that this server may not answer for, or not yet. */
const NAMES_MODEL = ["MODEL_NOT_FOUND", "VERSION_NOT_LOADED", "WARMING", "NO_VERSION"] as const;

/** The call runs a model. */
const RUNS_MODEL = [
  ...NAMES_MODEL,
  "HEAD_MISSING",
  "QUEUE_FULL",
  "DEADLINE_UNREACHABLE",
  "DEADLINE_TOO_SHORT",
  "WORKER_LOST",
  "WORKER_STALLED",
  "ENGINE_CLOSED",
  "RUNTIME_REFUSED",
  "BATCH_FAILED",
  "BACKEND_FAILED",
  "POISON",
  "QUARANTINED",
  "WORK_TOO_LARGE",
  "NON_FINITE",
] as const;

/** The call asks an index, and so the model that made it. */
const ASKS_INDEX = [
  ...RUNS_MODEL,
  "INPUT_TOO_LONG",
  "INDEX_NOT_FOUND",
  "INDEX_UNAVAILABLE",
  "INDEX_ENCODER",
  "THREAD_LOST",
] as const;

/** The call reads the store. */
const READS_STORE = [
  "RECORD_CORRUPT",
  "STORE_TOO_NEW",
  "SYMLINK_REFUSED",
  "STORE_FORBIDDEN",
  "STORE_UNAVAILABLE",
  "DISK_FAILED",
  "TOO_MANY_FILES",
] as const;

/** The call writes to the store. */
const WRITES_STORE = [
  ...READS_STORE,
  "DISK_FULL",
  "DISK_READ_ONLY",
  "STORE_COLLECTING",
  "STORE_LEASE_EXPIRED",
] as const;

/** The call names a stored version. */
const NAMES_VERSION = [...READS_STORE, "VERSION_NOT_FOUND", "VERSION_REMOVED"] as const;

/** The call brings a version into memory. */
const LOADS_VERSION = [
  ...NAMES_VERSION,
  "ROLE_WITHOUT_SERVING",
  "BLOB_MISSING",
  "BLOB_CORRUPT",
  "DIGEST_MISMATCH",
  "MEMORY_INSUFFICIENT",
  "DEVICE_UNAVAILABLE",
  "SELF_CHECK_FAILED",
  "THREAD_LOST",
  "WORK_TOO_LARGE",
  "DISK_FULL",
  "DISK_READ_ONLY",
] as const;

/** The call moves an alias. */
const MOVES_ALIAS = [...LOADS_VERSION, "GENERATION_MISMATCH", "STORE_COLLECTING", "STORE_LEASE_EXPIRED"] as const;

/** The call names a file below a configured directory. */
const NAMES_PATH = ["NO_ROOT", "PATH_NOT_FOUND", "PATH_IS_LINK"] as const;

/** The call names data: a stored dataset or a file. */
const NAMES_DATA = [...NAMES_PATH, ...READS_STORE, "DATASET_NOT_FOUND", "DATASET_CHANGED", "DIGEST_MISMATCH"] as const;

/** The call describes a job: its model, its data. */
const DESCRIBES_JOB = [...NAMES_DATA, ...NAMES_VERSION, "JOBS_UNWRITABLE"] as const;

/** The call reads the jobs that servers share. */
const READS_QUEUE = ["STORE_FORBIDDEN", "STORE_UNAVAILABLE", "RECORD_CORRUPT"] as const;

/** The call reads a job that exists. */
const READS_JOB = ["JOB_NOT_FOUND", "JOBS_UNWRITABLE", ...READS_QUEUE] as const;

/** The call changes a job that exists. */
const CHANGES_JOB = [...READS_JOB, "ILLEGAL_TRANSITION", "JOBS_LOCKED", "DISK_FULL", "DISK_READ_ONLY"] as const;

type Reasons<S extends { readonly method: object }> = Readonly<Record<keyof S["method"], readonly string[]>>;

/** Reasons by service and call, besides `EVERY_CALL`. */
export const CALL_ERRORS = {
  InferenceService: {
    classify: [...RUNS_MODEL, "INPUT_TOO_LONG", "ENTAILMENT_MISSING"],
    answerQuestion: [...RUNS_MODEL, "INPUT_TOO_LONG"],
    chooseAnswer: [...RUNS_MODEL, "INPUT_TOO_LONG"],
    encode: [...RUNS_MODEL, "INPUT_TOO_LONG"],
    fillMask: [...RUNS_MODEL, "INPUT_TOO_LONG"],
    infer: [...RUNS_MODEL, "INPUT_TOO_LONG"],
    tokenize: NAMES_MODEL,
    // Each item of these two has an outcome of its own, with the reasons of its call.
    batchInfer: [],
    streamInfer: [],
    listModels: [],
    getModel: NAMES_MODEL,
  },
  SearchService: {
    listIndexes: [],
    findPassages: ASKS_INDEX,
    askIndex: ASKS_INDEX,
  },
  ModelService: {
    listVersions: READS_STORE,
    getVersion: NAMES_VERSION,
    downloadVersion: [
      ...NAMES_VERSION,
      ...["BLOB_MISSING", "BLOB_CORRUPT", "DIGEST_MISMATCH", "DISK_FULL", "DISK_READ_ONLY"],
    ],
    importCheckpoint: [...NAMES_PATH, ...WRITES_STORE],
    validateVersion: [...NAMES_DATA, ...LOADS_VERSION, ...WRITES_STORE, "HEAD_MISSING", "REPORT_EXISTS"],
    getReport: [...NAMES_VERSION, "REPORT_NOT_FOUND"],
    compareVersions: [...NAMES_DATA, ...LOADS_VERSION, "HEAD_MISSING"],
    loadVersion: LOADS_VERSION,
    unloadVersion: [...NAMES_VERSION, "MODEL_NOT_FOUND", "VERSION_NOT_LOADED", "VERSION_IN_USE"],
    promote: [...MOVES_ALIAS, "GATE_FAILED"],
    rollback: [...MOVES_ALIAS, "NOTHING_TO_ROLL_BACK"],
    setTraffic: [...MOVES_ALIAS, "NO_CHAMPION", "VERSION_IN_USE", "GATE_FAILED"],
    collectGarbage: WRITES_STORE,
    watchServing: READS_STORE,
    listAnswers: READS_STORE,
    judgeAnswer: [...WRITES_STORE, "ANSWER_NOT_FOUND"],
    storeJudgements: [...WRITES_STORE, "NOTHING_JUDGED"],
    deleteJudgements: WRITES_STORE,
  },
  TrainingService: {
    createJob: [...DESCRIBES_JOB, "REQUEST_ID_REUSED", "SHUTTING_DOWN", "JOBS_LOCKED", "DISK_FULL", "DISK_READ_ONLY"],
    planJob: [...DESCRIBES_JOB, "WORK_TOO_LARGE"],
    getJob: READS_JOB,
    listJobs: READS_QUEUE,
    watchJob: READS_JOB,
    listJobEvents: READS_JOB,
    getSweep: [...READS_JOB, "NOT_A_SWEEP"],
    cancelJob: CHANGES_JOB,
    pauseJob: CHANGES_JOB,
    resumeJob: [...CHANGES_JOB, "SHUTTING_DOWN"],
    deleteJob: [...CHANGES_JOB.filter((reason) => reason !== "ILLEGAL_TRANSITION"), "JOB_NOT_ENDED", "SHUTTING_DOWN"],
    annotateJob: [
      ...CHANGES_JOB.filter((reason) => reason !== "ILLEGAL_TRANSITION"),
      ...["NOTES_CHANGED", "SHUTTING_DOWN"],
    ],
    exportRuns: READS_JOB,
    cloneJob: [
      ...DESCRIBES_JOB,
      "JOB_NOT_FOUND",
      "REQUEST_ID_REUSED",
      "SHUTTING_DOWN",
      "JOBS_LOCKED",
      "DISK_FULL",
      "DISK_READ_ONLY",
    ],
  },
  DatasetService: {
    beginUpload: [...WRITES_STORE, "DATASET_TOO_LARGE"],
    uploadChunk: [...WRITES_STORE, "UPLOAD_NOT_FOUND"],
    commitUpload: [...WRITES_STORE, "UPLOAD_NOT_FOUND", "UPLOAD_INCOMPLETE", "DIGEST_MISMATCH"],
    registerDataset: [...NAMES_PATH, ...WRITES_STORE],
    validateDataset: [...NAMES_DATA, ...NAMES_VERSION, "THREAD_LOST", "WORK_TOO_LARGE"],
    listRows: [...NAMES_DATA, ...NAMES_VERSION, "THREAD_LOST", "WORK_TOO_LARGE"],
    editDataset: [...NAMES_DATA, ...WRITES_STORE, "THREAD_LOST", "WORK_TOO_LARGE"],
    splitDataset: [...NAMES_DATA, ...WRITES_STORE, "THREAD_LOST", "WORK_TOO_LARGE"],
    listDatasets: READS_STORE,
    deleteDataset: [...WRITES_STORE, "DATASET_NOT_FOUND", "DATASET_REFERENCED"],
  },
} satisfies {
  readonly InferenceService: Reasons<typeof InferenceService>;
  readonly SearchService: Reasons<typeof SearchService>;
  readonly ModelService: Reasons<typeof ModelService>;
  readonly TrainingService: Reasons<typeof TrainingService>;
  readonly DatasetService: Reasons<typeof DatasetService>;
};

/** One call and all reasons it can fail with, in the order of the services. */
export interface CallErrors {
  readonly service: string;
  readonly call: string;
  /** Besides `EVERY_CALL`; sorted. */
  readonly reasons: readonly string[];
}

/** Every call of every service with its reasons. */
export function callErrors(): CallErrors[] {
  return [InferenceService, SearchService, ModelService, TrainingService, DatasetService].flatMap((service) => {
    const rows: Readonly<Record<string, readonly string[]>> = CALL_ERRORS[service.name as keyof typeof CALL_ERRORS];
    return service.methods.map(({ name, localName }) => ({
      service: service.name,
      call: name,
      reasons: [...new Set(rows[localName])].sort(),
    }));
  });
}
