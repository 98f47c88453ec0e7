import { address, choice, decimal, integer, type Setting, text, textList, toggle } from "./setting.ts";

// The table of settings, and the types that follow from it. It is one table and has over 600 lines for that reason.

const SERVES = ["all", "inference"] as const;
const TRAINS = ["all", "training"] as const;

/**
 * Every setting of the program: the only place where one is declared. Keys in a file are `group.snake_case_name`,
 * environment variables `ALBERT_GROUP_SNAKE_CASE_NAME`, flags `--group-kebab-case-name` unless a row names a shorter one.
 * `docs/configuration.md` is generated from this table. A setting that no code reads does not exist: a test looks for its reader.
 */
const SETTINGS = {
  server: {
    role: choice(["all", "inference", "training"], {
      default: "all",
      flag: "role",
      doc: "What this process does: serve models, run training jobs, or both.",
    }),
    publicAddress: address({
      default: "127.0.0.1:50051",
      doc: "Where the inference services listen; not opened by role training.",
    }),
    adminAddress: address({
      default: "127.0.0.1:50052",
      doc: "Where the model, dataset and training services listen; keep it away from clients.",
    }),
    metricsAddress: address({
      default: "127.0.0.1:9464",
      doc: "Where /metrics and /healthz answer over HTTP.",
    }),
    consoleAddress: address({
      default: "127.0.0.1:8080",
      doc: "Where the console and the same services over Connect (JSON for curl) answer over HTTP, administration included; empty: nowhere.",
    }),
    trustNetwork: choice(["no", "guarded-elsewhere"], {
      default: "no",
      doc: "Listeners stay on loopback addresses unless this server checks its callers itself. guarded-elsewhere says that something else stands before every address that other machines can reach (a proxy that ends TLS and knows its callers, or a network that only they can enter), and opens these addresses without a check: every caller who gets through may call, and on the admin and console listeners train, promote and delete.",
    }),
    reflection: toggle({
      default: true,
      doc: "Whether the gRPC listeners, public and admin, answer server reflection.",
    }),
    maxMessageBytes: integer({
      default: 4_194_304,
      min: 1024,
      max: 268_435_456,
      unit: "bytes",
      doc: "Largest gRPC message accepted on the public listener; a larger one is refused with RESOURCE_EXHAUSTED. The default takes `inputs.max_chars` of any script.",
    }),
    maxMetadataBytes: integer({
      default: 8192,
      min: 1024,
      max: 65_535,
      unit: "bytes",
      doc: "Largest metadata (headers) of a gRPC call, counted as HTTP/2 does: 32 bytes for each name and value besides their own. A call with more is refused with RESOURCE_EXHAUSTED before it is read.",
    }),
    inflightBytes: integer({
      default: 67_108_864,
      min: 1024,
      max: 68_719_476_736,
      unit: "bytes",
      doc: "Bytes that messages of calls in progress may hold together on each listener, whatever their transport: requests, and replies that are not sent yet. A further request is refused with RESOURCE_EXHAUSTED.",
    }),
    maxStreamsPerConnection: integer({
      default: 128,
      min: 1,
      max: 65_536,
      doc: "Calls one connection may have open at a time.",
    }),
    defaultDeadlineMs: integer({
      default: 10_000,
      min: 1,
      max: 3_600_000,
      unit: "ms",
      doc: "Deadline of a call on the public listener whose client sets none; 100 s longer for each megabyte that it sends, up to `server.max_deadline_ms`.",
    }),
    maxDeadlineMs: integer({
      default: 120_000,
      min: 1,
      max: 3_600_000,
      unit: "ms",
      doc: "Longest deadline honoured on the public listener; a client's longer one is cut to this. Streams have only the deadline that their client sets.",
    }),
    adminDefaultDeadlineMs: integer({
      default: 120_000,
      min: 1,
      max: 86_400_000,
      unit: "ms",
      doc: "Deadline of an administrator's call whose client sets none.",
    }),
    adminMaxDeadlineMs: integer({
      default: 3_600_000,
      min: 1,
      max: 86_400_000,
      unit: "ms",
      doc: "Longest deadline honoured on the admin listener, where importing, planning and judging may take minutes. Watches end when their client wants, and admin connections have no age.",
    }),
    keepaliveMinIntervalMs: integer({
      default: 60_000,
      min: 1000,
      max: 3_600_000,
      unit: "ms",
      doc: "Interval at which the server pings idle connections to find dead ones.",
    }),
    connectionMaxAgeMs: integer({
      default: 300_000,
      min: 1000,
      max: 86_400_000,
      unit: "ms",
      doc: "Age at which a connection is asked to reconnect, so that load spreads over new replicas; jittered by 10 %.",
    }),
    connectionMaxAgeGraceMs: integer({
      default: 60_000,
      min: 0,
      max: 3_600_000,
      unit: "ms",
      doc: "Time calls on an aged connection may still take before it is closed under them.",
    }),
    connectionMaxIdleMs: integer({
      default: 900_000,
      min: 1000,
      max: 86_400_000,
      unit: "ms",
      doc: "Idle time after which a connection is closed.",
    }),
    drainDelayMs: integer({
      default: 5000,
      min: 0,
      max: 600_000,
      unit: "ms",
      doc: "On SIGTERM, time between turning health to NOT_SERVING and refusing new calls, for load balancers to notice.",
    }),
    drainTimeoutMs: integer({
      default: 15_000,
      min: 0,
      max: 600_000,
      unit: "ms",
      doc: "On SIGTERM, longest time given to calls in progress; what is left then is cut.",
    }),
  },
  tls: {
    certificateFile: text({
      default: "",
      placeholder: "file",
      doc: "Certificate of the server in PEM, with the chain that leads to its authority; every listener then speaks TLS (1.2 or newer) and nothing else. Read again when it changes; so are the other files of this group.",
    }),
    keyFile: text({
      default: "",
      placeholder: "file",
      doc: "Private key of that certificate, in PEM without a passphrase.",
    }),
    clientCaFile: text({
      default: "",
      placeholder: "file",
      doc: "Authorities in PEM that vouch for certificates of clients (mutual TLS); empty: clients are asked for none.",
    }),
    clientCertificates: choice(["required", "optional"], {
      default: "required",
      doc: "With tls.client_ca_file: whether a connection without a certificate is refused. Probes of the metrics listener need none.",
    }),
    revocationListFile: text({
      default: "",
      placeholder: "file",
      doc: "With tls.client_ca_file: certificates that its authorities have revoked (CRL in PEM), a list for each authority, one after the other. A list that is out of date closes the server to the clients of its authority.",
    }),
  },
  auth: {
    tokensFile: text({
      default: "",
      placeholder: "file",
      doc: "File of those who may call: hashes of tokens and names of client certificates, with their scopes and models (`albert tokens`). With it every listener asks who calls. Read again when it changes.",
    }),
    jwks: text({
      default: "",
      placeholder: "location",
      doc: "Keys of an identity provider whose signed tokens (JWT, OpenID Connect) are taken as bearer tokens: the https URL of its JWKS, or a file. Scopes are read from `scope` or `scp` as albert:infer and so on, patterns of models from `albert_models` (absent: all).",
    }),
    issuer: text({
      default: "",
      placeholder: "name",
      doc: "Issuer (`iss`) that signed tokens must have.",
    }),
    audience: text({
      default: "",
      placeholder: "name",
      doc: "Audience (`aud`) that signed tokens must be for.",
    }),
    auditFile: text({
      default: "",
      placeholder: "file",
      doc: "File that keeps who did what, a JSON object a line: every call that needs another scope than infer or read, and every refusal of a caller. Without texts of requests.",
    }),
    auditMaxBytes: integer({
      default: 16_777_216,
      min: 4096,
      max: 1_099_511_627_776,
      unit: "bytes",
      doc: "Size from which a new file of the audit log is begun; the old one gets the ending .1, and so on.",
    }),
    auditKeep: integer({
      default: 9,
      min: 0,
      max: 1000,
      doc: "How many old files of the audit log stay.",
    }),
  },
  limits: {
    requestsPerSecond: integer({
      default: 0,
      min: 0,
      max: 1_000_000,
      doc: "Requests a second of one caller: calls, and items of batches and streams; one more is refused with RESOURCE_EXHAUSTED, streams are read no faster. 0: no limit; so for all of this group. A caller is its token, else its certificate, else its address; tokens may have limits of their own (`albert tokens create --limit`).",
    }),
    tokensPerSecond: integer({
      default: 0,
      min: 0,
      max: 1_000_000_000,
      unit: "tokens",
      doc: "Tokens of text a second of one caller, counted when a request is answered.",
    }),
    bytesPerSecond: integer({
      default: 0,
      min: 0,
      max: 1_000_000_000_000,
      unit: "bytes",
      doc: "Bytes of request messages a second of one caller.",
    }),
    burstSeconds: decimal({
      default: 2,
      min: 0.01,
      max: 3600,
      unit: "s",
      doc: "For how many seconds of its rates a caller that was quiet may come at once.",
    }),
    streams: integer({
      default: 1000,
      min: 0,
      max: 1_000_000,
      doc: "Streams that one caller may have open at a time, over all of its connections.",
    }),
    jobs: integer({
      default: 100,
      min: 0,
      max: 1_000_000,
      roles: TRAINS,
      doc: "Jobs of one caller that are not finished; callers that are not asked who they are count as one.",
    }),
  },
  inputs: {
    maxChars: integer({
      default: 1_048_576,
      min: 1,
      max: 10_000_000,
      unit: "UTF-16 units",
      roles: SERVES,
      doc: "Longest single text accepted. Texts of more than 8,192 are tokenised on a thread of their own.",
    }),
    maxWindows: integer({
      default: 65_536,
      min: 1,
      max: 1_048_576,
      roles: SERVES,
      doc: "Most overlapping windows a long context may be cut into. The default takes a megabyte of any text where windows start every 16 tokens or more; a document without a `doc_stride` has one every 128 tokens, or every half window of a shorter model.",
    }),
    maxChoices: integer({
      default: 64,
      min: 2,
      max: 1024,
      roles: SERVES,
      doc: "Most choices of a multiple-choice question, and most labels that a request of Classify may bring along; of either never more than 64.",
    }),
    maxBatchItems: integer({
      default: 128,
      min: 1,
      max: 65_536,
      roles: SERVES,
      doc: "Most items of one BatchInfer call. A message of any call may hold as many values as that times `inputs.max_choices`, and 1,024 more.",
    }),
    streamWindow: integer({
      default: 64,
      min: 1,
      max: 65_536,
      roles: SERVES,
      doc: "Items of one StreamInfer call worked on at a time; reading pauses beyond that.",
    }),
  },
  serving: {
    maxRequests: integer({
      default: 512,
      min: 1,
      max: 1_000_000,
      roles: SERVES,
      doc: "Requests admitted and not yet answered; one more is refused with RESOURCE_EXHAUSTED.",
    }),
    maxQueueTokens: integer({
      default: 131_072,
      min: 512,
      max: 1_000_000_000,
      unit: "tokens",
      roles: SERVES,
      doc: "Tokens that may wait for a device.",
    }),
    maxQueueMs: integer({
      default: 2000,
      min: 1,
      max: 3_600_000,
      unit: "ms",
      roles: SERVES,
      doc: "Predicted device time that may wait; beyond it a request is refused at once instead of being kept waiting.",
    }),
    batchTokens: integer({
      default: 0,
      min: 0,
      max: 1_048_576,
      unit: "tokens",
      roles: SERVES,
      doc: "Token budget of one batch; 0 takes what the engine measured when it loaded the model.",
    }),
    lookahead: integer({
      default: 64,
      min: 0,
      max: 65_536,
      roles: SERVES,
      doc: "Waiting sequences looked at, beyond those taken, to fill a batch.",
    }),
    agingMs: integer({
      default: 1000,
      min: 1,
      max: 3_600_000,
      unit: "ms",
      roles: SERVES,
      doc: "Waiting time after which an interactive request goes before later ones whatever their deadlines; 8 times that for priority batch.",
    }),
    patienceMs: integer({
      default: 0,
      min: 0,
      max: 3_600_000,
      unit: "ms",
      roles: SERVES,
      doc: "Deprecated name of `serving.aging_ms`, which it replaces where it is set; 0: not set.",
    }),
    quarantineMs: integer({
      default: 600_000,
      min: 0,
      max: 86_400_000,
      unit: "ms",
      roles: SERVES,
      doc: "Time an input that made the runtime fail twice is refused; 0 never quarantines.",
    }),
    cacheBytes: integer({
      default: 0,
      min: 0,
      max: 1_099_511_627_776,
      unit: "bytes",
      roles: SERVES,
      doc: "Memory for answers that are kept and given again to equal requests on the same version, least recently used first to go; 0: none is kept.",
    }),
    cacheAgeMs: integer({
      default: 3_600_000,
      min: 1,
      max: 604_800_000,
      unit: "ms",
      roles: SERVES,
      doc: "Age from which a kept answer is not given any more.",
    }),
    keepPreviousMs: integer({
      default: 600_000,
      min: 0,
      max: 86_400_000,
      unit: "ms",
      roles: SERVES,
      doc: "Time a replaced version stays loaded for instant rollback.",
    }),
    swapDrainMs: integer({
      default: 30_000,
      min: 0,
      max: 3_600_000,
      unit: "ms",
      roles: SERVES,
      doc: "Longest wait for a version's last requests before it is closed under them.",
    }),
    memoryHeadroom: decimal({
      default: 0.2,
      min: 0,
      max: 0.9,
      roles: SERVES,
      doc: "Share of the memory limit that must stay free after loading one more version.",
    }),
  },
  runtime: {
    device: choice(["auto", "cpu", "openvino", "webgpu", "cuda"], {
      default: "auto",
      flag: "device",
      doc: "Where models run; a device that is named and missing is an error, auto takes the best present; cpu and openvino are timed on each shape of model, where both are there. Where jobs train: training.device.",
    }),
    precision: choice(["fp32", "bf16", "fp16", "int8"], {
      default: "fp32",
      flag: "precision",
      roles: SERVES,
      doc: "Arithmetic of the serving graph; int8 is for cpu and openvino, bf16 for openvino on a processor that has it, fp16 for webgpu and cuda.",
    }),
    openvinoLibrary: text({
      default: "",
      placeholder: "file",
      doc: "OpenVINO's C library, for the device openvino; empty: looked for in OPENVINO_DIR, Python's packages and the system's folders.",
    }),
    openvinoCacheDirectory: text({
      default: "",
      placeholder: "directory",
      roles: SERVES,
      doc: "Where the device openvino keeps compiled models for the next start; empty: it compiles them anew.",
    }),
    intraThreads: integer({
      default: 0,
      min: 0,
      max: 1024,
      doc: "Threads of one session's operators; 0 derives it from the CPU quota of the container.",
    }),
  },
  models: {
    load: textList({
      default: [],
      placeholder: "name=directory",
      flag: "model",
      roles: SERVES,
      doc: "Models to serve from directories, each as name=directory; a directory alone takes the name of its manifest.",
    }),
  },
  search: {
    indexes: textList({
      default: [],
      placeholder: "name=file",
      flag: "index",
      roles: SERVES,
      doc: "Search indexes to answer from (`albert search index` makes them), each as name=file; a file alone takes its own name without the ending. A file is read again when it changes; one that cannot be read costs that index only, and is tried again.",
    }),
  },
  store: {
    directory: text({
      default: "",
      placeholder: "location",
      flag: "store",
      doc: "Where versioned models and datasets are kept, a directory or s3://bucket/prefix; empty: only models.load is served and nothing can be trained.",
    }),
    cacheDirectory: text({
      default: "",
      placeholder: "directory",
      doc: "Local directory for opened versions and datasets, which servers of this machine may share; empty: inside of a store in a directory, and in the system's directory for temporary files for one in S3.",
    }),
    pollMs: integer({
      default: 1000,
      min: 10,
      max: 3_600_000,
      unit: "ms",
      doc: "Time between two looks at a shared store for versions that another process promoted.",
    }),
    keepVersions: integer({
      default: 10,
      min: 1,
      max: 1_000_000,
      doc: "Newest versions of each model that stay although nothing refers to them. What an alias, a pin, memory or an unfinished job refers to always stays.",
    }),
    keepAliasChanges: integer({
      default: 5,
      min: 0,
      max: 1_000_000,
      doc: "Latest changes of a model's aliases whose versions stay too, so that there is something to roll back to.",
    }),
    collectMs: integer({
      default: 3_600_000,
      min: 0,
      max: 86_400_000,
      unit: "ms",
      doc: "Time between two removals of versions and files that nothing keeps; 0: never. The first comes a minute after the start at the latest.",
    }),
    checkpointRoots: textList({
      default: [],
      placeholder: "directory",
      doc: "Directories below which checkpoints may be imported over the admin interface; links inside are refused.",
    }),
  },
  training: {
    directory: text({
      default: "",
      placeholder: "directory",
      roles: TRAINS,
      doc: "Local directory of jobs, their checkpoints and uploads in progress; empty: inside of the store's directory.",
    }),
    datasetRoots: textList({
      default: [],
      placeholder: "directory",
      roles: TRAINS,
      doc: "Directories below which data files may be named or registered; links inside are refused.",
    }),
    maxDatasetBytes: integer({
      default: 4_294_967_296,
      min: 1,
      max: 1_099_511_627_776,
      unit: "bytes",
      roles: TRAINS,
      doc: "Largest file that can be uploaded as a dataset.",
    }),
    threads: integer({
      default: 0,
      min: 0,
      max: 1024,
      roles: TRAINS,
      doc: "Threads of a training job's operators and of the gate; 0 derives it from the CPU quota of the container.",
    }),
    device: choice(["auto", "cpu", "openvino", "webgpu", "cuda"], {
      default: "auto",
      roles: TRAINS,
      doc: "Where jobs train; a device that is named and missing is an error. auto is the device of runtime.device, and on the processor always cpu, which is ONNX Runtime: a job ends in the same bytes whether OpenVINO is there or not.",
    }),
    precision: choice(["fp32", "bf16"], {
      default: "fp32",
      roles: TRAINS,
      doc: "What matrix products of training are computed in; bf16 is for training.device openvino on a processor that has it. Loss, sums of gradients, update and state are fp32 in every case.",
    }),
    priority: choice(["low", "normal"], {
      default: "low",
      roles: TRAINS,
      doc: "Priority of the threads of training and of the gate, compared with those that serve (Linux); low gets about a tenth of a processor that others want.",
    }),
    yieldMs: integer({
      default: 20,
      min: 0,
      max: 3_600_000,
      unit: "ms",
      roles: TRAINS,
      doc: "Predicted wait of a request above which a training job waits between two steps; below it, its threads have a lower priority than those that serve.",
    }),
  },
  jobs: {
    queue: choice(["own", "shared"], {
      default: "own",
      roles: TRAINS,
      doc: "Whose jobs a server works on: its own, which lie in training.directory, or those of the store, which all servers with shared work on together. Needs a training.directory of each server's own.",
    }),
    leaseMs: integer({
      default: 30_000,
      min: 1000,
      max: 3_600_000,
      unit: "ms",
      roles: TRAINS,
      doc: "With jobs.queue shared: how long a server that works on a job may give no sign of life before another takes the job over. It gives five signs in that time.",
    }),
    atWorkPerSubmitter: integer({
      default: 0,
      min: 0,
      max: 1_000_000,
      roles: TRAINS,
      doc: "Jobs of one submitter that may be at work at once, on all servers of a queue together; more of them wait. 0: as many as there are servers.",
    }),
    runner: choice(["server", "kubernetes"], {
      default: "server",
      roles: TRAINS,
      doc: "Where jobs run: in this server, or each in a pod of its own, for which this server creates a `batch/v1` Job in a Kubernetes cluster. With kubernetes, jobs.queue must be shared, and the optional package @kubernetes/client-node is needed; the cluster is that of this pod's service account, or of KUBECONFIG.",
    }),
    kubernetesTemplate: text({
      default: "",
      placeholder: "file",
      roles: TRAINS,
      doc: "With jobs.runner kubernetes: the `batch/v1` Job, as JSON, after which that of each job is made: image, variables, volumes, resources such as GPUs, where it may run. Its first container, or the one called albert, gets the arguments that make it work on the job.",
    }),
    kubernetesNamespace: text({
      default: "",
      placeholder: "name",
      roles: TRAINS,
      doc: "With jobs.runner kubernetes: namespace of the pods of jobs; empty: that of this server's own pod, or of the KUBECONFIG's context.",
    }),
    kubernetesName: text({
      default: "albert",
      placeholder: "name",
      roles: TRAINS,
      doc: "With jobs.runner kubernetes: what the names of this queue's Jobs begin with, 32 letters, digits and - at most. Every queue of a namespace needs its own: what bears the name and belongs to no job is removed.",
    }),
    kubernetesQueue: text({
      default: "",
      placeholder: "name",
      roles: TRAINS,
      doc: "With jobs.runner kubernetes: queue of Kueue (a LocalQueue) that lets the Jobs begin: they are created suspended, with its label. Empty: they begin as soon as the cluster has room.",
    }),
    kubernetesPods: integer({
      default: 10,
      min: 0,
      max: 1_000_000,
      roles: TRAINS,
      doc: "With jobs.runner kubernetes: Jobs that are in the cluster at a time, begun or not; more jobs wait here, where priorities and shares of submitters count. 0: all, and the cluster alone decides which begins.",
    }),
    retentionDays: integer({
      default: 0,
      min: 0,
      max: 36_500,
      unit: "days",
      roles: TRAINS,
      doc: "Days after which a job that has ended is deleted with its log and files; versions and data sets that it made stay. 0: never.",
    }),
    isolation: choice(["thread", "process"], {
      default: "thread",
      roles: TRAINS,
      doc: "Where jobs, the gate and the validation of data sets run: on threads of this process, or each in a child process of its own, so that even data that ends a process costs its job only. Results are the same bytes.",
    }),
    heapBytes: integer({
      default: 0,
      min: 0,
      max: 1_099_511_627_776,
      unit: "bytes",
      roles: TRAINS,
      doc: "Heap that one job, gate or validation may use for what it has read; one that needs more ends with OUT_OF_MEMORY, and nothing else does. 0: half of the memory that the server may use, from 512 MiB to 4 GiB.",
    }),
    memoryBytes: integer({
      default: 0,
      min: 0,
      max: 1_099_511_627_776,
      unit: "bytes",
      roles: TRAINS,
      doc: "Resident memory of one child process with jobs.isolation process; one that uses more is ended with OUT_OF_MEMORY. 0: three quarters of the memory that the server may use.",
    }),
  },
  tracking: {
    mlflowUri: text({
      default: "",
      placeholder: "url",
      roles: TRAINS,
      doc: "Tracking server of MLflow, such as http://mlflow:5000, that is told of each job as a run: settings, curves, metrics, notes, tags, how it ended, and the card of what it made. Empty: none is told.",
    }),
    mlflowExperiment: text({
      default: "albert",
      placeholder: "name",
      roles: TRAINS,
      doc: "Experiment of the tracking server that holds the runs; made where there is none of the name.",
    }),
    mlflowCredentialFile: text({
      default: "",
      placeholder: "file",
      roles: TRAINS,
      doc: "File with what the tracking server knows this one by: user:password, or a token. Read again before each call. Empty: none.",
    }),
  },
  feedback: {
    answers: integer({
      default: 0,
      min: 0,
      max: 10_000,
      roles: SERVES,
      doc: "Answered texts of each model that this server keeps in its memory for people to judge, those of which the model is least sure. Nothing is written anywhere before a person judges it. 0: none are kept.",
    }),
    maxAgeHours: integer({
      default: 168,
      min: 1,
      max: 8760,
      unit: "hours",
      roles: SERVES,
      doc: "With feedback.answers: after so long an answer that nobody judged is forgotten.",
    }),
    maxChars: integer({
      default: 2000,
      min: 1,
      max: 100_000,
      unit: "characters",
      roles: SERVES,
      doc: "With feedback.answers: longer texts are not kept.",
    }),
  },
  tracing: {
    exporter: choice(["none", "otlp"], {
      default: "none",
      doc: "With otlp, each call, its stages, its batches and each change of version make spans, which are sent by OTLP over HTTP; collector, sampling and names come from OpenTelemetry's own variables, such as OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_TRACES_SAMPLER. Needs the optional @opentelemetry packages.",
    }),
  },
  log: {
    level: choice(["fatal", "error", "warn", "info", "debug", "trace"], {
      default: "info",
      doc: "Least severe level that is logged; texts of requests are never logged at any level.",
    }),
    slowRequestMs: integer({
      default: 1000,
      min: 0,
      max: 3_600_000,
      unit: "ms",
      roles: SERVES,
      doc: "Requests that take longer are logged with their stage times; 0 logs none.",
    }),
  },
} as const satisfies Record<string, Record<string, Setting>>;

type Table = typeof SETTINGS;
type ValueOf<S> = S extends Setting<infer T> ? T : never;

/** All settings with their values, frozen. Rooms receive slices of it. */
export type Config = {
  readonly [G in keyof Table]: { readonly [K in keyof Table[G]]: ValueOf<Table[G][K]> };
};

/** Who may call. */
export type AuthConfig = Config["auth"];
/** What one caller may do. */
export type LimitsConfig = Config["limits"];
/** Certificates of the server and of its clients. */
export type TlsConfig = Config["tls"];
/** Admission, queue, batching and hot swap. */
export type ServingConfig = Config["serving"];
/** Devices and sessions. */
export type RuntimeConfig = Config["runtime"];

/** One row of the table with the three names it goes by. */
export interface NamedSetting {
  readonly group: keyof Config;
  readonly name: string;
  /** `serving.max_requests` */
  readonly key: string;
  /** `ALBERT_SERVING_MAX_REQUESTS` */
  readonly environment: string;
  /** `serving-max-requests`, without the dashes before it. */
  readonly flag: string;
  readonly setting: Setting;
}

/** The table's rows in order. */
export const NAMED_SETTINGS: readonly NamedSetting[] = Object.entries(SETTINGS).flatMap(([group, rows]) =>
  Object.entries(rows as Record<string, Setting>).map(([name, setting]) => {
    const snake = `${group}.${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
    return {
      group: group as keyof Config,
      name,
      key: snake,
      environment: `ALBERT_${snake.replace(".", "_").toUpperCase()}`,
      flag: setting.flag ?? snake.replace(/[._]/g, "-"),
      setting,
    };
  }),
);
