// The JSON schema of the Helm chart's values: a wrong name or kind of value is refused before anything is installed.

const text = { type: "string" };
const flag = { type: "boolean" };
const words = (...values: string[]) => ({ type: "string", enum: values });
const count = (minimum: number) => ({ type: "integer", minimum });
const list = { type: "array" };
const map = { type: "object" };
const texts = { type: "object", additionalProperties: text };
const quantity = { type: ["string", "integer"], pattern: "^[0-9.]+([EPTGMK]i?|m|k)?$" };

/** An object with exactly these members, each optional. */
function closed(properties: Readonly<Record<string, object>>): object {
  return { type: "object", additionalProperties: false, properties };
}

/** What the pods of jobs have. */
const JOB = {
  resources: map,
  gpu: closed({ enabled: flag, resource: text, count: count(1), runtimeClassName: text }),
  annotations: texts,
  labels: texts,
  nodeSelector: texts,
  tolerations: list,
  affinity: map,
  priorityClassName: text,
  env: list,
  volumes: list,
  volumeMounts: list,
};

/** What both workloads have. */
const WORKLOAD = { ...JOB, topologySpread: flag };

/** @param settings  schema of the program's own settings */
export function chartSchema(settings: object): object {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Values of albert-serve",
    ...closed({
      global: map,
      image: closed({
        repository: { type: "string", minLength: 1 },
        tag: text,
        digest: { type: "string", pattern: "^(sha256:[0-9a-f]{64})?$" },
        pullPolicy: words("Always", "IfNotPresent", "Never"),
      }),
      imagePullSecrets: list,
      nameOverride: text,
      fullnameOverride: text,
      settings,
      trustNetwork: flag,
      tls: closed({ secret: text, clientCertificates: words("none", "optional", "required") }),
      tokens: closed({ secret: text }),
      inference: closed({ replicas: count(0), role: words("inference", "all"), ...WORKLOAD }),
      training: closed({ enabled: flag, storage: closed({ size: quantity, storageClassName: text }), ...WORKLOAD }),
      jobs: closed({
        runner: words("server", "kubernetes"),
        kueueQueue: text,
        pods: count(0),
        backoffLimit: count(0),
        activeDeadlineSeconds: count(0),
        ttlSecondsAfterFinished: count(0),
        workSize: quantity,
        ...JOB,
      }),
      store: closed({
        kind: words("none", "volume", "s3"),
        volume: closed({
          existingClaim: text,
          size: quantity,
          storageClassName: text,
          accessModes: {
            type: "array",
            minItems: 1,
            items: words("ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"),
          },
        }),
        s3: closed({
          bucket: text,
          prefix: text,
          endpoint: { type: "string", pattern: "^(https?://.+)?$" },
          region: text,
          credentialsSecret: text,
        }),
      }),
      service: closed({ port: { type: "integer", minimum: 1, maximum: 65_535 }, annotations: texts, headless: flag }),
      admin: closed({ expose: flag, port: { type: "integer", minimum: 1, maximum: 65_535 } }),
      serviceAccount: closed({ create: flag, name: text, annotations: texts }),
      autoscaling: closed({
        kind: words("none", "hpa", "keda"),
        minReplicas: count(1),
        maxReplicas: count(1),
        queueSeconds: { type: "number", exclusiveMinimum: 0 },
        cpuPercent: { type: "integer", minimum: 0, maximum: 1000 },
        prometheus: text,
        scaleDownSeconds: count(0),
      }),
      podDisruptionBudget: closed({ enabled: flag, maxUnavailable: { type: ["integer", "string"] } }),
      networkPolicy: closed({ enabled: flag, clients: list, monitoring: list, administrators: list, egress: list }),
      monitoring: closed({
        podMonitor: flag,
        tokenSecret: closed({ name: text, key: text }),
        serviceMonitor: flag,
        rules: flag,
        interval: text,
        labels: texts,
        dashboards: flag,
        dashboardLabels: texts,
      }),
      terminationGracePeriodSeconds: closed({ override: count(0) }),
    }),
  };
}
