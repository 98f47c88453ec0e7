import type { DescMessage, DescMethod, DescService, MessageShape } from "@bufbuild/protobuf";
import type { Scope } from "../../access/scopes.ts";
import { InferenceService, type InferItem } from "../../gen/albert/v1/inference_pb.js";
import { ModelService } from "../../gen/albert/v1/models_pb.js";
import { SearchService } from "../../gen/albert/v1/search_pb.js";
import { DatasetService, PromotePolicy, TrainingService } from "../../gen/albert/v1/training_pb.js";
import { Health } from "../../gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { GRPCInferenceService } from "../../gen/inference/open_inference_pb.js";
import type { TaskKind, TaskRequest } from "../../tasks/task-request.ts";

// The one table of who may call what: every method of every service and every path of HTTP. docs/access.md is made from it,
// and a test holds that none is missing.

/** A request as far as the choice of a model depends on it. */
type AskedTask = Pick<TaskRequest, "task" | "input">;

/** What the table must ask others to know which models a request touches. */
export interface Lookup {
  /** Name that answers a request which names none, for a task; without one, the first of all. */
  defaultModel(asked?: AskedTask): string | undefined;
  /** Model of a job, and whether its result is promoted without a person; undefined for an unknown job. */
  job(id: string): { readonly model: string; readonly promotes: boolean } | undefined;
}

/** The row of one method. */
export interface Route<I extends DescMessage = DescMessage, O extends DescMessage = DescMessage> {
  /** A caller needs one of them. */
  readonly scopes: readonly Scope[];
  /** Whether every caller may call it as far as it names no model: probes have no credentials. */
  readonly open?: true;
  /**
   * Models that a message touches; undefined for one that cannot be told, which only a caller for all models may touch.
   * Absent: the method has nothing to do with models.
   */
  readonly models?: (request: MessageShape<I>, lookup: Lookup) => readonly (string | undefined)[];
  /** Scopes that this request needs besides, all of them. */
  readonly besides?: (request: MessageShape<I>, lookup: Lookup) => readonly Scope[];
  /** Whether a success is too small a step for the audit log. */
  readonly unaudited?: true;
  /** The part of a reply that a caller may see who is limited to some models; undefined: nothing of it. */
  readonly visible?: (
    reply: MessageShape<O>,
    may: (model: string | undefined) => boolean,
  ) => MessageShape<O> | undefined;
}

type Rows<S extends DescService> = {
  readonly [K in keyof S["method"]]: Route<S["method"][K]["input"], S["method"][K]["output"]>;
};

interface WithOptions {
  readonly options?: { readonly model: string } | undefined;
}

/** Any question about passages: which model reads them does not depend on it. */
const READING = { task: "read_passages", input: { question: "", passages: [] } } as const;

const ofModel = ({ model }: { readonly model: string }) => [model];
/** Without a name, all models are meant; the reply is filtered instead. */
const ofModelOrAll = ({ model }: { readonly model: string }) => (model === "" ? [] : [model]);
/** The task of each call, and of each kind of item, that asks a model; absent where all models are alike to it. */
const TASK_OF: Readonly<Record<string, TaskKind>> = {
  classify: "classify",
  answerQuestion: "answer_question",
  chooseAnswer: "choose_answer",
  encode: "encode",
  fillMask: "fill_mask",
};

/** Without a name, the model that serving then chooses, which depends on the task and may depend on the request. */
const ofCall = (call: string, request: WithOptions, lookup: Lookup) => {
  if (request.options?.model) return [request.options.model];
  const task = TASK_OF[call];
  // What a choice depends on has the same names in the message and in the task's input.
  return [lookup.defaultModel(task === undefined ? undefined : ({ task, input: request } as unknown as AskedTask))];
};
const ofItem = ({ request }: InferItem, lookup: Lookup) =>
  request.case === undefined ? [] : ofCall(request.case, request.value as WithOptions, lookup);
const ofJob = ({ jobId }: { readonly jobId: string }, lookup: Lookup) => [lookup.job(jobId)?.model];

/** The model that `name@7` or `name/champion` is a version of; a digest does not tell. */
const ofReference = (reference: string) => (reference === "" ? [] : [/^([^@/]+)[@/]/.exec(reference)?.[1]]);

const ofSpec = (spec: { readonly model: string; readonly init: string; readonly teacher: string } | undefined) =>
  spec === undefined ? [] : [spec.model, ...ofReference(spec.init), ...ofReference(spec.teacher)];

const promotes = (policy: PromotePolicy | undefined): readonly Scope[] =>
  policy === undefined || policy === PromotePolicy.UNSPECIFIED || policy === PromotePolicy.MANUAL ? [] : ["promote"];

const asks = (call: string) => ({
  scopes: ["infer"] as const,
  models: (request: WithOptions, lookup: Lookup) => ofCall(call, request, lookup),
});

const INFERENCE: Rows<typeof InferenceService> = {
  classify: asks("classify"),
  answerQuestion: asks("answerQuestion"),
  chooseAnswer: asks("chooseAnswer"),
  encode: asks("encode"),
  fillMask: asks("fillMask"),
  tokenize: asks("tokenize"),
  infer: asks("infer"),
  batchInfer: { scopes: ["infer"], models: ({ items }, lookup) => items.flatMap((item) => ofItem(item, lookup)) },
  streamInfer: {
    scopes: ["infer"],
    models: ({ message }, lookup) => (message.case === "item" ? ofItem(message.value, lookup) : []),
  },
  listModels: {
    scopes: ["infer", "read"],
    visible: (reply, may) => ({ ...reply, models: reply.models.filter(({ name }) => may(name)) }),
  },
  getModel: { scopes: ["infer", "read"], models: ({ model }, lookup) => [model || lookup.defaultModel()] },
};

/** Indexes have names like models, and a credential is held to them alike; who may ask one may have its encoder encode. */
const SEARCH: Rows<typeof SearchService> = {
  listIndexes: {
    scopes: ["infer", "read"],
    visible: (reply, may) => ({ ...reply, indexes: reply.indexes.filter(({ name }) => may(name)) }),
  },
  findPassages: { scopes: ["infer"], models: ({ index }) => [index] },
  askIndex: {
    scopes: ["infer"],
    models: ({ index, options }, lookup) => [index, options?.model || lookup.defaultModel(READING)],
  },
};

const ofNamed = ({ name }: { readonly name: string }) => [name];
const ofTensors = ({ modelName }: { readonly modelName: string }) => [modelName];

const OPEN_INFERENCE: Rows<typeof GRPCInferenceService> = {
  serverLive: { scopes: [], open: true },
  serverReady: { scopes: [], open: true },
  modelReady: { scopes: ["infer", "read"], models: ofNamed },
  serverMetadata: { scopes: ["infer", "read"] },
  modelMetadata: { scopes: ["infer", "read"], models: ofNamed },
  modelConfig: { scopes: ["infer", "read"], models: ofNamed },
  modelInfer: { scopes: ["infer"], models: ofTensors },
  modelStreamInfer: { scopes: ["infer"], models: ofTensors },
  repositoryIndex: {
    scopes: ["infer", "read"],
    visible: (reply, may) => ({ ...reply, models: reply.models.filter(({ name }) => may(name)) }),
  },
};

const MODELS: Rows<typeof ModelService> = {
  listVersions: {
    scopes: ["read"],
    models: ofModelOrAll,
    visible: (reply, may) => ({
      ...reply,
      versions: reply.versions.filter(({ model }) => may(model)),
      aliases: reply.aliases.filter(({ model }) => may(model)),
      outages: reply.outages.filter(({ model }) => may(model)),
    }),
  },
  getVersion: { scopes: ["read"], models: ofModel },
  // A model may tell what it was taught.
  downloadVersion: { scopes: ["train"], models: ofModel },
  importCheckpoint: { scopes: ["admin"], models: ofModel },
  // It holds texts of the data.
  getReport: { scopes: ["data", "train"], models: ofModel },
  validateVersion: { scopes: ["train"], models: ofModel },
  compareVersions: {
    scopes: ["train"],
    models: ({ before, after }) => [before, after].map((reference) => /^[^@/]+/.exec(reference)?.[0]),
  },
  loadVersion: { scopes: ["promote"], models: ofModel },
  unloadVersion: { scopes: ["promote"], models: ofModel },
  promote: { scopes: ["promote"], models: ofModel },
  rollback: { scopes: ["promote"], models: ofModel },
  setTraffic: { scopes: ["promote"], models: ofModel },
  // They hold texts of callers.
  listAnswers: { scopes: ["data"], models: ofModel },
  judgeAnswer: { scopes: ["data"], models: ofModel },
  storeJudgements: { scopes: ["data"], models: ofModel },
  deleteJudgements: { scopes: ["data"], models: ofModel },
  collectGarbage: { scopes: ["admin"], models: () => [undefined] },
  watchServing: {
    scopes: ["read"],
    models: ofModelOrAll,
    visible: (reply, may) => (reply.update.case !== "model" || may(reply.update.value.model) ? reply : undefined),
  },
};

const TRAINING: Rows<typeof TrainingService> = {
  createJob: { scopes: ["train"], models: ({ spec }) => ofSpec(spec), besides: ({ spec }) => promotes(spec?.promote) },
  planJob: { scopes: ["train"], models: ({ spec }) => ofSpec(spec) },
  getJob: { scopes: ["read", "train"], models: ofJob },
  listJobs: {
    scopes: ["read", "train"],
    models: ofModelOrAll,
    visible: (reply, may) => ({ ...reply, jobs: reply.jobs.filter(({ spec }) => may(spec?.model)) }),
  },
  watchJob: { scopes: ["read", "train"], models: ofJob },
  cancelJob: { scopes: ["train"], models: ofJob },
  pauseJob: { scopes: ["train"], models: ofJob },
  resumeJob: { scopes: ["train"], models: ofJob },
  deleteJob: { scopes: ["train"], models: ofJob },
  listJobEvents: { scopes: ["read", "train"], models: ofJob },
  getSweep: { scopes: ["read", "train"], models: ofJob },
  annotateJob: { scopes: ["train"], models: ofJob },
  exportRuns: {
    scopes: ["read", "train"],
    models: ({ jobIds }, lookup) => jobIds.flatMap((jobId) => ofJob({ jobId }, lookup)),
  },
  cloneJob: {
    scopes: ["train"],
    models: ({ jobId, overrides }, lookup) => [
      lookup.job(jobId)?.model,
      ...ofSpec(overrides).filter((model) => model !== ""),
    ],
    besides: ({ jobId, overrides }, lookup) =>
      overrides === undefined || overrides.promote === PromotePolicy.UNSPECIFIED
        ? lookup.job(jobId)?.promotes
          ? ["promote"]
          : []
        : promotes(overrides.promote),
  },
};

const DATASETS: Rows<typeof DatasetService> = {
  beginUpload: { scopes: ["data"] },
  uploadChunk: { scopes: ["data"], unaudited: true },
  commitUpload: { scopes: ["data"] },
  registerDataset: { scopes: ["data"] },
  validateDataset: { scopes: ["data", "train"], models: ofModelOrAll },
  // They show texts of the data.
  listRows: { scopes: ["data", "train"], models: ofModelOrAll },
  editDataset: { scopes: ["data"] },
  splitDataset: { scopes: ["data"] },
  listDatasets: { scopes: ["read", "data", "train"] },
  deleteDataset: { scopes: ["data"] },
};

/** The model of a health name `model/<name>`. */
const ofHealth = ({ service }: { readonly service: string }) =>
  service.startsWith("model/") ? [service.slice("model/".length)] : [];

const HEALTH: Rows<typeof Health> = {
  check: { scopes: ["infer", "read"], open: true, models: ofHealth },
  watch: { scopes: ["infer", "read"], open: true, models: ofHealth },
  list: {
    scopes: ["read"],
    visible: (reply, may) => ({
      ...reply,
      statuses: Object.fromEntries(
        Object.entries(reply.statuses).filter(([service]) => ofHealth({ service }).every(may)),
      ),
    }),
  },
};

/** What a contract looks like is no secret, but for those who have some right here. */
const reflection = { scopes: ["infer", "read", "data", "train", "promote", "admin"] as const };
const REFLECTION: Rows<typeof ServerReflection> = { serverReflectionInfo: reflection };
const REFLECTION_ALPHA: Rows<typeof ServerReflectionAlpha> = { serverReflectionInfo: reflection };

const SERVICES: readonly (readonly [service: DescService, rows: Readonly<Record<string, Route>>])[] = [
  // Each has one row per method of its service, of the method's messages; the loop over them loses that link.
  [InferenceService, INFERENCE as unknown as Readonly<Record<string, Route>>],
  [SearchService, SEARCH as unknown as Readonly<Record<string, Route>>],
  [GRPCInferenceService, OPEN_INFERENCE as unknown as Readonly<Record<string, Route>>],
  [ModelService, MODELS as unknown as Readonly<Record<string, Route>>],
  [TrainingService, TRAINING as unknown as Readonly<Record<string, Route>>],
  [DatasetService, DATASETS as unknown as Readonly<Record<string, Route>>],
  [Health, HEALTH as unknown as Readonly<Record<string, Route>>],
  [ServerReflection, REFLECTION as unknown as Readonly<Record<string, Route>>],
  [ServerReflectionAlpha, REFLECTION_ALPHA as unknown as Readonly<Record<string, Route>>],
];

/** By full name of the method, such as `albert.v1.InferenceService/Classify`. */
export const ROUTES: ReadonlyMap<string, Route> = new Map(
  SERVICES.flatMap(([service, rows]) =>
    service.methods.flatMap((method) => {
      const row = rows[method.localName];
      return row === undefined ? [] : [[methodName(method), row] as const];
    }),
  ),
);

/** `package.Service/Method` */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** Paths of HTTP besides the methods of services. */
export const HTTP_ROUTES: readonly {
  readonly listener: "metrics" | "console";
  readonly path: string;
  /** Absent: open to every caller. */
  readonly scopes?: readonly Scope[];
}[] = [
  { listener: "metrics", path: "/livez" },
  { listener: "metrics", path: "/healthz" },
  { listener: "metrics", path: "/readyz" },
  { listener: "metrics", path: "/metrics", scopes: ["read"] },
  { listener: "console", path: "/metrics", scopes: ["read"] },
  { listener: "console", path: "/session" },
  { listener: "console", path: "/ and the files of the page" },
];
