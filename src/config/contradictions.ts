import type { FieldViolation } from "../errors.ts";
import { indexFile } from "./index-files.ts";
import type { Origin } from "./origin.ts";
import { isLoopback, parseAddress } from "./setting.ts";
import { type Config, NAMED_SETTINGS } from "./settings.ts";

/** Rules between settings. Each broken one is a problem of its own; values are already within their own ranges. */
export function contradictions(config: Config, origins: ReadonlyMap<string, Origin>): FieldViolation[] {
  return [
    ...ignoredByRole(config, origins),
    ...sharedAddresses(config),
    ...openDoors(config),
    ...certificates(config, origins),
    ...audits(config),
    ...signedTokens(config),
    ...deadlines(config),
    ...precisions(config),
    ...trainingPrecision(config),
    ...homes(config),
    ...podsOfJobs(config, origins),
    ...trackers(config),
    ...judges(config),
    ...indexNames(config),
  ];
}

/** A setting that the role does not use must not be set: it would be ignored silently. */
function ignoredByRole(config: Config, origins: ReadonlyMap<string, Origin>): FieldViolation[] {
  const { role } = config.server;
  return NAMED_SETTINGS.filter(
    ({ key, setting }) =>
      setting.roles !== undefined && !setting.roles.includes(role) && origins.get(key)?.source !== "default",
  ).map(({ key, setting }) => ({
    field: key,
    description: `has no effect with server.role ${role}; remove it, or use role ${setting.roles!.join(" or ")}`,
  }));
}

/** Every listener's setting and address. */
function listeners(server: Config["server"]): (readonly [field: string, address: string])[] {
  return [
    ["server.public_address", server.role === "training" ? "" : server.publicAddress],
    ["server.admin_address", server.adminAddress],
    ["server.metrics_address", server.metricsAddress],
    ["server.console_address", server.consoleAddress],
  ];
}

function sharedAddresses({ server }: Config): FieldViolation[] {
  const all = listeners(server);
  return all.flatMap(([field, value], index) => {
    const mine = parseAddress(value);
    const taken = all.slice(0, index).find(([, other]) => {
      const theirs = parseAddress(other);
      return mine !== undefined && theirs !== undefined && mine.port !== 0 && mine.port === theirs.port;
    });
    return taken === undefined
      ? []
      : [{ field, description: `port ${mine!.port} is already the port of ${taken[0]}; give each listener its own` }];
  });
}

/** An address that other machines can reach is opened only when the configuration says what guards it. */
function openDoors({ server, tls, auth }: Config): FieldViolation[] {
  if (server.trustNetwork === "guarded-elsewhere") return [];
  if (tls.certificateFile !== "" && asksWhoCalls(auth)) return [];
  const open = listeners(server).filter(([, value]) => {
    const host = parseAddress(value)?.host;
    return host !== undefined && !isLoopback(host);
  });
  const [first] = open;
  if (first === undefined) return [];
  const which = open.map(([, value]) => value).join(", ");
  return [{ field: first[0], description: `other machines can reach ${which}: ${ADVICE}` }];
}

const ADVICE =
  "give TLS (tls.certificate_file) and tokens (auth.tokens_file or auth.jwks), or say server.trust_network guarded-elsewhere if a proxy or network checks who calls";

/** A certificate is nothing without its key, and what clients must show means nothing without either. */
function certificates({ tls }: Config, origins: ReadonlyMap<string, Origin>): FieldViolation[] {
  const needs = (field: string, other: string) => [{ field, description: `needs ${other} too` }];
  if (tls.certificateFile !== "" && tls.keyFile === "") return needs("tls.certificate_file", "tls.key_file");
  if (tls.certificateFile === "" && tls.keyFile !== "") return needs("tls.key_file", "tls.certificate_file");
  if (tls.clientCaFile !== "" && tls.certificateFile === "") return needs("tls.client_ca_file", "tls.certificate_file");
  if (tls.revocationListFile !== "" && tls.clientCaFile === "") {
    return needs("tls.revocation_list_file", "tls.client_ca_file");
  }
  const demanded = origins.get("tls.client_certificates")?.source !== "default";
  return tls.clientCaFile === "" && demanded ? needs("tls.client_certificates", "tls.client_ca_file") : [];
}

/** Whether callers are known by anything. */
function asksWhoCalls({ tokensFile, jwks }: Config["auth"]): boolean {
  return tokensFile !== "" || jwks !== "";
}

/** A signed token is good for whoever it was made for, by whom we trust, and by keys that nobody could replace on the way. */
function signedTokens({ auth }: Config): FieldViolation[] {
  const { jwks, issuer, audience } = auth;
  const related = [
    ["auth.issuer", issuer],
    ["auth.audience", audience],
  ] as const;
  if (jwks === "") {
    return related
      .filter(([, value]) => value !== "")
      .map(([field]) => ({ field, description: "has no effect without auth.jwks" }));
  }
  const open = /^[a-z]+:\/\//i.test(jwks) && !/^(https:\/\/|http:\/\/(127\.0\.0\.1|localhost|\[::1\])[:/])/i.test(jwks);
  return [
    ...related
      .filter(([, value]) => value === "")
      .map(([field]) => ({ field, description: "is needed with auth.jwks: tokens for others must not count here" })),
    ...(open
      ? [{ field: "auth.jwks", description: "must be an https URL or a file: keys would travel unprotected" }]
      : []),
  ];
}

/** A log of who did what is empty where callers are not checked. */
function audits({ auth }: Config): FieldViolation[] {
  if (auth.auditFile === "" || asksWhoCalls(auth)) return [];
  const description = "needs auth.tokens_file or auth.jwks too: without them callers are not checked";
  return [{ field: "auth.audit_file", description }];
}

function deadlines({ server }: Config): FieldViolation[] {
  const pairs = [
    ["", server.defaultDeadlineMs, server.maxDeadlineMs],
    ["admin_", server.adminDefaultDeadlineMs, server.adminMaxDeadlineMs],
  ] as const;
  return pairs
    .filter(([, usual, longest]) => usual > longest)
    .map(([prefix, usual, longest]) => ({
      field: `server.${prefix}default_deadline_ms`,
      description: `${usual} is beyond server.${prefix}max_deadline_ms ${longest}`,
    }));
}

function precisions({ runtime }: Config): FieldViolation[] {
  const { precision, device } = runtime;
  if (precision === "fp32") return [];
  const devices = { int8: ["auto", "cpu", "openvino"], bf16: ["openvino"], fp16: ["webgpu", "cuda"] }[precision];
  if (devices.includes(device)) return [];
  const named = devices.filter((each) => each !== "auto").join(" or ");
  const description = `${precision} runs on the device ${named} only, and runtime.device is ${device}`;
  return [{ field: "runtime.precision", description }];
}

function trainingPrecision({ training: { precision, device } }: Config): FieldViolation[] {
  if (precision === "fp32" || device === "openvino") return [];
  const description = `${precision} runs on the device openvino only, and training.device is ${device}`;
  return [{ field: "training.precision", description }];
}

/** Jobs need a store for what they make, and a local directory to work in. */
function homes({ server, store, training, jobs }: Config): FieldViolation[] {
  if (store.directory === "") {
    const violations =
      server.role === "training" ? [{ field: "store.directory", description: "training needs one" }] : [];
    if (training.directory !== "")
      violations.push({ field: "training.directory", description: "has no effect without store.directory" });
    return violations;
  }
  const isLocal = !/^[a-z][a-z0-9+.-]*:\/\//i.test(store.directory);
  if (server.role === "inference" || training.directory !== "") return [];
  if (isLocal && jobs.queue === "own") return [];
  const description =
    jobs.queue === "own"
      ? "is needed where store.directory is not a local directory"
      : "is needed with jobs.queue shared: a local directory of this server's own for the files of the job in hand";
  return [{ field: "training.directory", description }];
}

/** What begins the name of a Job: the name of a pod must have room for the job's id too. */
const NAME_IN_CLUSTER = /^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$/;

/** Pods take jobs from a queue in the store, and are made after a template. */
function podsOfJobs({ store, jobs }: Config, origins: ReadonlyMap<string, Origin>): FieldViolation[] {
  const { runner, queue, kubernetesTemplate, kubernetesName } = jobs;
  if (runner === "server") {
    return NAMED_SETTINGS.filter(
      ({ key }) => key.startsWith("jobs.kubernetes_") && origins.get(key)?.source !== "default",
    ).map(({ key }) => ({ field: key, description: "has no effect without jobs.runner kubernetes" }));
  }
  const violations: FieldViolation[] = [];
  const field = "jobs.runner";
  if (store.directory === "") {
    const description = "kubernetes needs store.directory: the store that the pods of jobs reach too";
    violations.push({ field, description });
  }
  if (queue !== "shared") {
    const description =
      "kubernetes needs jobs.queue shared: pods take jobs from the store, not from this server's directory";
    violations.push({ field, description });
  }
  if (kubernetesTemplate === "") {
    const description = "is needed with jobs.runner kubernetes: a file with the batch/v1 Job, as JSON, for each job";
    violations.push({ field: "jobs.kubernetes_template", description });
  }
  if (!NAME_IN_CLUSTER.test(kubernetesName)) {
    const description = `expected 1 to 32 lower-case letters, digits and -, beginning with a letter, got ${JSON.stringify(kubernetesName)}`;
    violations.push({ field: "jobs.kubernetes_name", description });
  }
  return violations;
}

/** Jobs are told of where there are some, and a secret only where nobody listens. */
function trackers({ store, tracking }: Config): FieldViolation[] {
  const { mlflowUri, mlflowExperiment, mlflowCredentialFile } = tracking;
  const field = "tracking.mlflow_uri";
  if (mlflowUri === "") {
    if (mlflowCredentialFile === "") return [];
    return [{ field: "tracking.mlflow_credential_file", description: `has no effect without ${field}` }];
  }
  const url = URL.canParse(mlflowUri) ? new URL(mlflowUri) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return [
      {
        field,
        description: `expected an http or https URL, such as http://mlflow:5000, got ${JSON.stringify(mlflowUri)}`,
      },
    ];
  }
  const violations: FieldViolation[] = [];
  if (url.username !== "" || url.password !== "") {
    const description =
      "must hold no user or password, which would be shown: write them into tracking.mlflow_credential_file";
    violations.push({ field, description });
  }
  if (mlflowCredentialFile !== "" && url.protocol === "http:" && !isLoopback(url.hostname.replace(/^\[|\]$/g, ""))) {
    violations.push({
      field,
      description: "must be an https URL with tracking.mlflow_credential_file: what is in it would travel unprotected",
    });
  }
  if (mlflowExperiment === "") {
    violations.push({ field: "tracking.mlflow_experiment", description: `is needed with ${field}` });
  }
  if (store.directory === "")
    violations.push({ field, description: "has no effect without store.directory: there are no jobs" });
  return violations;
}

/** What is judged is kept in the store. */
function judges({ store, feedback }: Config): FieldViolation[] {
  if (feedback.answers === 0 || store.directory !== "") return [];
  return [{ field: "feedback.answers", description: "needs store.directory, where what is judged is kept" }];
}

/** What an index may be called: its name appears in requests, tokens and metrics. */
const INDEX_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

function indexNames({ search }: Config): FieldViolation[] {
  const field = "search.indexes";
  const indexes = search.indexes.map(indexFile);
  return indexes.flatMap(({ name, file }, i) => {
    if (!INDEX_NAME.test(name)) {
      const description = `${JSON.stringify(name)} cannot be the name of an index: use letters, digits, . _ - and write name=file`;
      return [{ field, description }];
    }
    if (file === "") return [{ field, description: `${name} has no file: write ${name}=file` }];
    const repeated = indexes.findIndex((other) => other.name === name) !== i;
    return repeated ? [{ field, description: `two indexes are called ${name}: name them apart` }] : [];
  });
}
