import type { Command } from "commander";
import { loadProcessConfig } from "../config/sources.ts";
import { invalidInput } from "../errors.ts";
import { openStore } from "../store/open-store.ts";
import type { StoreReport } from "../store/verify.ts";
import { EXIT } from "./failure.ts";
import { saidToWait } from "./work-progress.ts";

// `albert store`: looks after a store without a server.

interface VerifyFlags {
  readonly repair?: true;
  readonly json?: true;
}

/** Adds `albert store verify`. */
export function registerStore(program: Command): void {
  const store = program.command("store").description("look after a store of models and data sets");
  store
    .command("verify [location]")
    .description("read every record and file of a store (default: store.directory) and report what is damaged")
    .option("--repair", "restore files of which this machine has a sound copy; move what is damaged into quarantine")
    .option("--json", "print JSON")
    .action(verify);
}

async function verify(location: string | undefined, { repair, json }: VerifyFlags) {
  const { directory, cacheDirectory } = loadProcessConfig({}).config.store;
  const place = location ?? directory;
  if (place === "") {
    throw invalidInput([
      { field: "location", description: "name a directory or s3://bucket/prefix, or set store.directory" },
    ]);
  }
  const store = await openStore(place, cacheDirectory === "" ? {} : { cacheDirectory });
  let report: StoreReport;
  try {
    report = await saidToWait("every record and file is read", store.verify(repair === true));
  } finally {
    await store.close();
  }
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : `${reportLines(report).join("\n")}\n`);
  const left = report.problems.filter(({ repaired }) => !repaired?.startsWith("restored"));
  if (left.length > 0) process.exitCode = EXIT.failed;
}

function reportLines({ versions, datasets, files, bytes, problems }: StoreReport): string[] {
  const looked = `${versions} versions, ${datasets} data sets, ${files} files of ${(bytes / 1e6).toFixed(1)} MB read`;
  if (problems.length === 0) return [`${looked}: all sound`];
  return [
    `${looked}: ${problems.length} problems`,
    ...problems.map(({ where, problem, repaired, advice }) => `  ${where} ${problem}; ${repaired ?? advice}`),
  ];
}
