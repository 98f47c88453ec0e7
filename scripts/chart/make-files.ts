// Writes what the Helm chart takes from elsewhere in the project: the table of settings, the schema of the chart's values, alert
// rules and dashboards. node --import tsx scripts/chart/make-files.ts
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { NAMED_SETTINGS } from "../../src/config/settings.ts";
import { chartSchema } from "./values-schema.ts";

const root = join(import.meta.dirname, "../..");
const monitoring = join(root, "deploy/monitoring");

/** Settings that the chart decides itself, and by which of its values. */
export const DECIDED_BY_CHART: ReadonlyMap<string, string> = new Map([
  ["server.role", "inference.role, training.enabled"],
  ["server.public_address", "service.port"],
  ["server.admin_address", "admin"],
  ["server.metrics_address", "monitoring"],
  ["server.console_address", "(loopback, for kubectl port-forward)"],
  ["server.trust_network", "trustNetwork"],
  ["tls.certificate_file", "tls.secret"],
  ["tls.key_file", "tls.secret"],
  ["tls.client_ca_file", "tls.clientCertificates"],
  ["tls.client_certificates", "tls.clientCertificates"],
  ["auth.tokens_file", "tokens.secret"],
  ["store.directory", "store"],
  ["training.directory", "training.storage"],
  ["jobs.runner", "jobs.runner"],
  ["jobs.kubernetes_template", "jobs"],
  ["jobs.kubernetes_namespace", "(that of the release)"],
  ["jobs.kubernetes_name", "(that of the release)"],
  ["jobs.kubernetes_queue", "jobs.kueueQueue"],
  ["jobs.kubernetes_pods", "jobs.pods"],
]);

const FREE = NAMED_SETTINGS.filter(({ key }) => !DECIDED_BY_CHART.has(key));

/** Contents by path below the chart. */
export function chartFiles(): ReadonlyMap<string, string> {
  const settings = FREE.map(({ key, environment, setting }) => ({
    key,
    environment,
    default: setting.default,
    ...(setting.roles === undefined ? {} : { roles: setting.roles }),
  }));
  const dashboards = readdirSync(join(monitoring, "dashboards")).map(
    (file) => [`files/dashboards/${file}`, readFileSync(join(monitoring, "dashboards", file), "utf8")] as const,
  );
  return new Map([
    ["files/settings.json", json(settings)],
    ["files/alerts.yaml", readFileSync(join(monitoring, "alerts.yaml"), "utf8")],
    ...dashboards,
    ["values.schema.json", json(chartSchema(settingsSchema()))],
  ]);
}

/** What `settings` may hold: each group with its settings, and their ranges. */
function settingsSchema(): object {
  const groups: Record<string, { type: "object"; additionalProperties: false; properties: Record<string, object> }> =
    {};
  for (const { key, setting } of FREE) {
    const [group, name] = key.split(".") as [string, string];
    groups[group] ??= { type: "object", additionalProperties: false, properties: {} };
    const { $schema: _, ...range } = z.toJSONSchema(setting.schema);
    groups[group].properties[name] = { description: setting.doc, ...range };
  }
  return { type: "object", additionalProperties: false, properties: groups };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

if (process.argv[1] === import.meta.filename) {
  for (const [path, text] of chartFiles()) {
    const target = join(root, "helm/albert-serve", path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}
