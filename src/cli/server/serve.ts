import type { Command } from "commander";
import type { App } from "../../app.ts";
import { programVersion } from "../../config/program-version.ts";
import type { Config } from "../../config/settings.ts";
import { loadProcessConfig } from "../../config/sources.ts";
import type { IndexStatus } from "../../search/served/served-index.ts";
import type { ServedModel } from "../../server/inference/models.ts";
import { addSettingOptions, configPath, settingFlags } from "../config.ts";
import { exampleCall } from "../inference/example-call.ts";
import { endOnSignals } from "./end-on-signals.ts";
import { modelsToServe } from "./models-to-serve.ts";

/** Adds `albert serve`: answers over gRPC until a signal ends it. */
export function registerServe(program: Command): void {
  const command = program.command("serve").description("serve models over gRPC until SIGTERM or SIGINT");
  addSettingOptions(command);
  command.action(async (options: Record<string, unknown>) => {
    const { config } = loadProcessConfig(settingFlags(options), configPath(options));
    const { role } = config.server;
    const models = role === "training" ? [] : modelsToServe(config.models.load, config.store.directory !== "");
    // Loaded here, so that other commands do not wait for what only a server needs.
    const [{ startApp }, { servedModels }, { pino }] = await Promise.all([
      import("../../app.ts"),
      import("../../server/inference/models.ts"),
      import("pino"),
    ]);
    // Log lines go to stderr at once: what is still buffered when a process dies is what one would want to read.
    const log = pino({ level: config.log.level }, pino.destination({ fd: 2, sync: true }));
    // An unhandled rejection is a bug, but calls in progress should not fail because of it.
    process.on("unhandledRejection", (error) => log.error({ err: error }, "unhandled rejection"));
    const end = endOnSignals(config.server);
    try {
      const app = await startApp({ config, log, onListening: (listening) => end.follow(listening) }, models);
      if (!end.ending) process.stdout.write(startLines(app, servedModels(app.serving.models), config));
    } catch (error) {
      // What was still starting is closed under its feet: that is no failure to report.
      if (!end.ending) throw error;
    }
  });
}

function startLines(
  { addresses, serving, indexes }: App,
  models: readonly ServedModel[],
  { tls, auth, runtime }: Config,
): string {
  const statuses = serving.models.list();
  const secure = tls.certificateFile !== "";
  const reduced = runtime.precision === "fp32" ? "" : ` in ${runtime.precision}`;
  const tokens = auth.tokensFile !== "" || auth.jwks !== "";
  const served = models.map(({ name, version, device, model }) => {
    const heads = model.heads.map((head) => `${head.name} (${head.kind})`).join(", ");
    return `  model  ${name}@${version} on ${device}${reduced}, ${model.digest.slice(0, 12)}: ${heads || "no heads, encodings only"}`;
  });
  const broken = statuses.flatMap(({ name, current, versions }) => {
    const [state] = versions.map((version) => version.state).filter(({ kind }) => kind === "failed");
    if (state?.kind !== "failed") return [];
    const instead = current === undefined ? "NOT SERVING" : `version ${current} serves instead`;
    return [
      `  model  ${name}: ${instead}, for what was given cannot be opened (${state.reason}, see the log); it is tried again`,
    ];
  });
  const listener = (protocol: string, address: string | undefined, what: string) =>
    address === undefined || address === "" ? [] : [`  ${protocol}   ${address}  ${what}`];
  const lines = [
    `albert ${programVersion()} is ready`,
    ...served,
    ...broken,
    ...indexes.list().map(indexLine),
    ...listener(
      "gRPC",
      addresses.public,
      "albert.v1.InferenceService and SearchService, grpc.health.v1, grpc.reflection",
    ),
    ...listener(
      "gRPC",
      addresses.admin,
      "albert.v1.ModelService, TrainingService and DatasetService, for administrators",
    ),
    ...listener(secure ? "TLS " : "HTTP", addresses.metrics, "/metrics /healthz /readyz"),
    ...listener("page", addresses.console, "the console, and every call as JSON"),
  ];
  if (models.length > 0) lines.push("", "Try", `  ${exampleCall(addresses.public, models, { secure, tokens })}`);
  return `${lines.join("\n")}\n`;
}

function indexLine({ name, summary, failure }: IndexStatus): string {
  if (summary === undefined) return `  index  ${name}: CANNOT BE READ (${failure}, see the log); it is tried again`;
  const { passages, files, encoder } = summary;
  return `  index  ${name}: ${passages} passages of ${files} files, by ${encoder.name} ${encoder.digest.slice(0, 12)}`;
}
