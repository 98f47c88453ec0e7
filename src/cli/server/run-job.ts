import { hostname } from "node:os";
import type { Command } from "commander";
import type { Config } from "../../config/settings.ts";
import { loadProcessConfig } from "../../config/sources.ts";
import { type FieldViolation, invalidInput } from "../../errors.ts";
import { addSettingOptions, configPath, settingFlags } from "../config.ts";

/** Exit status of a process that ended because of a signal: 128 and the number of SIGTERM. Schedulers know that it was not at fault. */
const SET_ASIDE_STATUS = 143;

/** Adds `albert run-job`: works on one job of a store's queue, and ends. What a scheduler starts in a pod, or in an allocation of Slurm. */
export function registerRunJob(program: Command): void {
  const command = program
    .command("run-job")
    .description("work on one job of a store's queue until nothing is to be done for it; what pods of jobs run")
    .argument("<job>", "id of the job");
  addSettingOptions(command);
  command.option(
    "--trainer <name>",
    "names this process in the job's claim, unlike every other's; the host and process unless given",
  );
  command.action(async (id: string, options: Record<string, unknown>) => {
    const { config } = loadProcessConfig(settingFlags(options), configPath(options));
    requireHomes(config);
    const [{ runJob }, { pino }] = await Promise.all([import("../../run-job.ts"), import("pino")]);
    const log = pino({ level: config.log.level }, pino.destination({ fd: 2, sync: true }));
    process.on("unhandledRejection", (error) => log.error({ err: error }, "unhandled rejection"));
    const end = new AbortController();
    const stop = () => {
      if (end.signal.aborted) process.exit(SET_ASIDE_STATUS);
      end.abort();
      // What cannot come to the end of its step in time goes on from its last checkpoint.
      setTimeout(() => process.exit(SET_ASIDE_STATUS), config.server.drainTimeoutMs);
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    const trainer = trainerName(options["trainer"]);
    const state = await runJob({ config, log }, { id, trainer }, end.signal);
    process.stdout.write(`${id} ${state ?? "set aside"}\n`);
    process.exit(state === undefined ? SET_ASIDE_STATUS : 0);
  });
}

/** A name that is part of a key of the store. */
const TRAINER = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

function trainerName(given: unknown): string {
  const name = typeof given === "string" ? given : `${hostname().toLowerCase()}-${process.pid}-${Date.now()}`;
  if (TRAINER.test(name)) return name;
  const description = `expected letters a to z, digits, - and . (as the name of a pod), got ${JSON.stringify(name)}`;
  throw invalidInput([{ field: "--trainer", description }]);
}

/** A job needs its store, and a directory of its own to work in. */
function requireHomes({ store, training, server }: Config): void {
  const violations: FieldViolation[] = [];
  if (store.directory === "")
    violations.push({ field: "store.directory", description: "is needed: the store of the job" });
  if (training.directory === "") {
    const description = "is needed: a local directory of this process's own for the files of the job";
    violations.push({ field: "training.directory", description });
  }
  if (server.role === "inference") {
    violations.push({ field: "server.role", description: "inference works on no jobs: use training" });
  }
  if (violations.length > 0) throw invalidInput(violations);
}
