import { randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Command, Option } from "commander";
import {
  GetJobResponseSchema,
  type Job,
  JobKind,
  JobKindSchema,
  type JobOwner,
  type JobSpecSchema,
  JobState,
  JobStateSchema,
  ListJobEventsResponseSchema,
  ListJobsResponseSchema,
  type PlanJobResponse,
  PlanJobResponseSchema,
  PromotePolicy,
} from "../../gen/albert/v1/training_pb.js";
import { addRecipeOptions, type RecipeFlags, recipeOf } from "../training/recipe-options.ts";
import { addSweepOptions, type SweepFlags, VARY } from "../training/sweeps/sweep-options.ts";
import { durationText } from "../training/training-progress.ts";
import { mixOf, type WeightedText, weighted } from "../training/weighted-data.ts";
import {
  type AdminFlags,
  addAdminOptions,
  allPages,
  columns,
  dataSource,
  enumWord,
  integer,
  pairs,
  print,
  table,
  wholeNumber,
  withAdmin,
} from "./admin-call.ts";
import { watchJob } from "./job-progress.ts";
import { registerRunNotes } from "./run-notes.ts";
import { registerSweepTable, sweepOf } from "./sweeps.ts";

const KINDS = {
  "fine-tune": JobKind.FINE_TUNE,
  distil: JobKind.DISTIL,
  pretrain: JobKind.PRETRAIN,
  evaluate: JobKind.EVALUATE,
  convert: JobKind.CONVERT,
  calibrate: JobKind.CALIBRATE,
  quantise: JobKind.QUANTISE,
  sweep: JobKind.SWEEP,
  "train-vocabulary": JobKind.TRAIN_VOCABULARY,
  "pretraining-data": JobKind.PRETRAINING_DATA,
} as const;
const POLICIES = { manual: PromotePolicy.MANUAL, "auto-if-better": PromotePolicy.AUTO_IF_BETTER } as const;

interface SpecFlags extends AdminFlags, RecipeFlags, Partial<SweepFlags> {
  readonly kind: keyof typeof KINDS;
  readonly model: string;
  readonly task?: string;
  readonly init?: string;
  readonly train?: readonly WeightedText[];
  readonly eval?: string;
  readonly teacher?: string;
  readonly unlabelled?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly seed: number;
  readonly promote: keyof typeof POLICIES;
  readonly priority: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
  readonly requestId?: string;
  readonly watch?: true;
}

type CloneFlags = AdminFlags &
  Partial<Pick<SpecFlags, "set" | "label" | "init" | "seed" | "promote" | "requestId" | "watch">>;

interface ListFlags extends AdminFlags {
  readonly model?: string;
  readonly state?: readonly string[];
  readonly tag?: readonly string[];
}

/** Adds `albert jobs`: training inside a running server. */
export function registerJobs(program: Command): void {
  const jobs = program.command("jobs").description("create, watch and steer training jobs of a running server");
  addSpecOptions(jobs.command("create").description("queue a job"))
    .option("--request-id <id>", "makes the command safe to repeat (default: a new one)")
    .option("--watch", "follow it to its end")
    .action((flags: SpecFlags) =>
      withAdmin(flags, async (client) => {
        const request = { requestId: flags.requestId ?? randomUUID(), spec: specOf(flags) };
        const { job } = await client.training.createJob(request);
        printJob(flags, job!);
        if (flags.watch) await watchJob(client, job!.id, flags);
      }),
    );
  addSpecOptions(jobs.command("plan").description("say what a job would do")).action((flags: SpecFlags) =>
    withAdmin(flags, async ({ training }) => {
      const plan = await training.planJob({ spec: specOf(flags) });
      print(flags, PlanJobResponseSchema, plan, () => [
        ...plan.problems.map(({ where, what, hint }) => `! ${where}: ${what}${hint === "" ? "" : ` (${hint})`}`),
        ...planLines(plan),
        ...columns(plan.settings.map(({ name, value, origin }) => [name, value, origin])),
      ]);
      // Without settings there is no plan: the job would be rejected.
      if (plan.settings.length === 0) process.exitCode = 1;
    }),
  );
  addAdminOptions(jobs.command("list").description("list jobs, newest first"))
    .option("--model <name>", "of this model only")
    .option("--tag <tag...>", "with all of these tags only")
    .addOption(new Option("--state <state...>", "in these states only").choices([...STATES.keys()]))
    .action((flags: ListFlags) =>
      withAdmin(flags, async ({ training }) => {
        const { model = "", state: states = [], tag: tags = [] } = flags;
        const page = (pageToken: string) =>
          training.listJobs({ model, tags: [...tags], pageToken, states: states.map((word) => STATES.get(word)!) });
        const reply = create(ListJobsResponseSchema, { jobs: await allPages(page, ({ jobs: some }) => some) });
        print(flags, ListJobsResponseSchema, reply, () =>
          table(HEADING, reply.jobs.map(rowOf), "there are no such jobs"),
        );
      }),
    );
  addAdminOptions(jobs.command("get <job>").description("show a job")).action((jobId: string, flags: AdminFlags) =>
    withAdmin(flags, async ({ training }) => {
      const reply = await training.getJob({ jobId });
      print(flags, GetJobResponseSchema, reply, () => details(reply.job!));
    }),
  );
  registerSweepTable(jobs);
  addAdminOptions(jobs.command("watch <job>").description("follow a job to its end"))
    .option("--after <n>", "show events after this number only", wholeNumber, 0)
    .action((jobId: string, flags: AdminFlags & { readonly after: number }) =>
      withAdmin(flags, (client) => watchJob(client, jobId, flags)),
    );
  for (const verb of ["cancel", "pause", "resume"] as const) {
    const description = `${verb} a job${verb === "resume" ? "" : " after the step in hand"}`;
    addAdminOptions(jobs.command(`${verb} <job>`).description(description)).action((jobId: string, flags: AdminFlags) =>
      withAdmin(flags, async ({ training }) => {
        const { job } = await training[`${verb}Job`]({ jobId });
        printJob(flags, job!);
      }),
    );
  }
  addAdminOptions(jobs.command("delete <job...>").description("remove jobs that have ended, with their logs and files"))
    .addHelpText("after", "\nVersions and data sets that the jobs made stay.")
    .action((jobIds: readonly string[], flags: AdminFlags) =>
      withAdmin(flags, async ({ training }) => {
        for (const jobId of jobIds) {
          await training.deleteJob({ jobId });
          process.stdout.write(flags.json ? `${JSON.stringify({ deleted: jobId })}\n` : `${jobId}  deleted\n`);
        }
      }),
    );
  addAdminOptions(jobs.command("events <job>").description("print a job's events so far, oldest first")).action(
    (jobId: string, flags: AdminFlags) =>
      withAdmin(flags, async ({ training }) => {
        const page = (pageToken: string) => training.listJobEvents({ jobId, pageSize: 1000, pageToken });
        const reply = create(ListJobEventsResponseSchema, { events: await allPages(page, ({ events }) => events) });
        print(flags, ListJobEventsResponseSchema, reply, () =>
          columns(reply.events.map(({ sequence, kind, summary }) => [String(sequence), kind, summary])),
        );
      }),
  );
  registerRunNotes(jobs);
  addAdminOptions(jobs.command("clone <job>").description("queue a job like another"))
    .option("--set <name=value>", "recipe value to replace; may be repeated", pairs)
    .option("--label <name=value>", "free label to replace; may be repeated", pairs)
    .option("--init <version>", "another start")
    .option("--seed <n>", "another seed, from 1", wholeNumber)
    .addOption(new Option("--promote <policy>", "what becomes of the model").choices(Object.keys(POLICIES)))
    .option("--request-id <id>", "makes the command safe to repeat (default: a new one)")
    .option("--watch", "follow it to its end")
    .action((jobId: string, flags: CloneFlags) =>
      withAdmin(flags, async (client) => {
        const { job } = await client.training.cloneJob({
          requestId: flags.requestId ?? randomUUID(),
          jobId,
          overrides: {
            recipe: { ...flags.set },
            labels: { ...flags.label },
            init: flags.init ?? "",
            seed: BigInt(flags.seed ?? 0),
            ...(flags.promote === undefined ? {} : { promote: POLICIES[flags.promote] }),
          },
        });
        printJob(flags, job!);
        if (flags.watch) await watchJob(client, job!.id, flags);
      }),
    );
}

function addSpecOptions(command: Command): Command {
  return addAdminOptions(
    addRecipeOptions(
      addSweepOptions(command.option(VARY[0], `of --kind sweep: ${VARY[1]}`, VARY[2]), "of --kind sweep: "),
    ),
  )
    .addOption(new Option("--kind <kind>", "what it does").choices(Object.keys(KINDS)).default("fine-tune"))
    .requiredOption("--model <name>", "model whose versions it adds to")
    .option("--task <task>", "task of a fine-tune, sweep, distillation or evaluation")
    .option("--init <version>", "where weights start: name@7, name/champion or a digest (default: the champion)")
    .option(
      "--train <data[=weight]>",
      "digest of a dataset, or a path below a dataset root; may be repeated, with the shares in which examples are drawn",
      weighted,
    )
    .option("--eval <data>", "the same for evaluation (default: a part of the training data)")
    .option(
      "--teacher <version>",
      "of a distillation or pretraining: what is learnt from: name@7, name/champion or a digest",
    )
    .option("--unlabelled <data>", "of a distillation: texts without labels, as --train is named")
    .option("--label <name=value>", "free label; may be repeated", pairs)
    .option("--seed <n>", "seed of everything random", wholeNumber, 0)
    .addOption(
      new Option("--promote <policy>", "what becomes of the model").choices(Object.keys(POLICIES)).default("manual"),
    )
    .option("--priority <n>", "higher runs first; may be negative", integer, 0)
    .option("--max-steps <n>", "end after this many steps", wholeNumber, 0)
    .option("--max-seconds <n>", "end after this many seconds", wholeNumber, 0);
}

function specOf(flags: SpecFlags): MessageInitShape<typeof JobSpecSchema> {
  return {
    kind: KINDS[flags.kind],
    model: flags.model,
    task: flags.task ?? "",
    init: flags.init ?? "",
    ...trainOf(flags.train),
    ...(flags.eval === undefined ? {} : { eval: dataSource(flags.eval) }),
    teacher: flags.teacher ?? "",
    ...(flags.unlabelled === undefined ? {} : { unlabelled: dataSource(flags.unlabelled) }),
    recipe: recipeOf(flags),
    labels: { ...flags.label },
    seed: BigInt(flags.seed),
    promote: POLICIES[flags.promote],
    priority: flags.priority,
    maxSteps: flags.maxSteps,
    maxWallSeconds: flags.maxSeconds,
    ...sweepOf(flags),
  };
}

function trainOf([first, ...further]: readonly WeightedText[] = []) {
  if (first === undefined) return {};
  const { mix } = mixOf(first, further, (text) => ({ source: dataSource(text) }));
  const mixed = mix === undefined ? {} : { trainWeight: mix.weight, furtherTrain: mix.further };
  return { train: dataSource(first.text), ...mixed };
}

/** States by the words that people use. */
const STATES: ReadonlyMap<string, JobState> = new Map(
  Object.values(JobState)
    .filter((state) => state !== JobState.UNSPECIFIED)
    .map((state) => [enumWord(JobStateSchema, state), state]),
);

const HEADING = ["JOB", "STATE", "KIND", "MODEL", "TASK", "STEP", "RESULT"];

function rowOf({ id, state, spec, progress, modelVersion, dataset, owner }: Job): string[] {
  const step = progress === undefined || progress.totalSteps === 0 ? "" : `${progress.step}/${progress.totalSteps}`;
  const kind = enumWord(JobKindSchema, spec?.kind ?? 0);
  return [
    id,
    enumWord(JobStateSchema, state),
    kind,
    spec?.model ?? "",
    spec?.task ?? "",
    step,
    modelVersion || dataset.slice(0, 12),
    ...(owner === undefined ? [] : [`on ${owner.host}`]),
  ];
}

function printJob(flags: AdminFlags, job: Job): void {
  if (flags.json)
    process.stdout.write(`${JSON.stringify({ id: job.id, state: enumWord(JobStateSchema, job.state) })}\n`);
  else process.stdout.write(`${job.id}  ${enumWord(JobStateSchema, job.state)}\n`);
}

function details(job: Job): string[] {
  const { progress, history, gateReportJson, stoppedBy, dataset, notPromoted, findings, owner, note, tags } = job;
  return [
    ...columns([HEADING, rowOf(job)]),
    ...Object.entries(progress?.metrics ?? {}).map(([name, value]) => `${name} ${value}`),
    ...(owner === undefined ? [] : [ownerLine(owner)]),
    ...(job.activity === "" || job.terminal ? [] : [`now: ${job.activity}`]),
    ...(dataset === "" ? [] : [`dataset ${dataset}`]),
    ...(stoppedBy === "" ? [] : [`stopped by ${stoppedBy}`]),
    ...(tags.length === 0 ? [] : [`tags: ${tags.join(", ")}`]),
    ...(note === "" ? [] : note.split("\n").map((line, i) => (i === 0 ? `note: ${line}` : `      ${line}`))),
    ...history.map(({ to, reason, detail }) =>
      [enumWord(JobStateSchema, to), reason, detail].filter(Boolean).join("  "),
    ),
    ...findings
      .filter((finding) => !gateReportJson.includes(JSON.stringify(finding)))
      .map((finding) => `found: ${finding}`),
    ...(gateReportJson === "" ? [] : gateLines(JSON.parse(gateReportJson))),
    ...(notPromoted === "" ? [] : [`not promoted: ${notPromoted}`]),
  ];
}

/** Who works on a job, and whether it lives. */
function ownerLine({ server, host, generation, silentSeconds }: JobOwner): string {
  const silent = silentSeconds === undefined ? "" : `, last sign of life ${Math.round(silentSeconds)} s ago`;
  return `in the hands of ${server} on ${host}, generation ${generation}${silent}`;
}

/** The gate's judgement, as its event and the job tell it. */
function gateLines(report: Readonly<Record<string, unknown>>): string[] {
  const { verdict, metric, championValue, candidateValue, examples, findings = [] } = report;
  const values =
    metric === undefined ? "" : `: ${metric} ${championValue ?? "-"} -> ${candidateValue}, ${examples} examples`;
  return [`gate ${verdict}${values}`, ...(findings as readonly string[]).map((finding) => `  ${finding}`)];
}

/** What a plan says in numbers; kinds of jobs differ in what they can say. */
function planLines({ steps, tokens, paddingShare, peakMemoryBytes, diskBytes, etaSeconds }: PlanJobResponse): string[] {
  const padding = steps > 0 ? `, ${Math.round(100 * paddingShare)} % padding` : "";
  const rows: [string, string, boolean][] = [
    ["steps", number(steps), steps > 0],
    ["tokens", `${number(tokens)}${padding}`, tokens > 0],
    ["memory", megabytes(peakMemoryBytes), peakMemoryBytes > 0],
    ["disk", megabytes(diskBytes), diskBytes > 0],
    ["time", `about ${durationText(etaSeconds)}`, etaSeconds > 0],
  ];
  return columns(rows.filter(([, , known]) => known).map(([name, value]) => [name, value]));
}

function number(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
