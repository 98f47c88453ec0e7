import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  GetSweepResponseSchema,
  type JobSpecSchema,
  JobStateSchema,
  SweepMethod,
  type SweepTrial,
} from "../../gen/albert/v1/training_pb.js";
import type { SweepFlags } from "../training/sweeps/sweep-options.ts";
import { tableLines } from "../training/sweeps/sweep-table.ts";
import { type AdminFlags, addAdminOptions, enumWord, print, withAdmin } from "./admin-call.ts";

// Sweeps of a running server: what is asked of one, and its table.

const METHODS = { grid: SweepMethod.GRID, random: SweepMethod.RANDOM, halving: SweepMethod.HALVING } as const;

/** What the flags say that a sweep tries; nothing where they say nothing. */
export function sweepOf({
  method,
  vary,
  trials,
  reduction,
}: Partial<SweepFlags>): Pick<MessageInitShape<typeof JobSpecSchema>, "sweep"> {
  if ([method, vary, trials, reduction].every((flag) => flag === undefined)) return {};
  return {
    sweep: {
      method: METHODS[method ?? "random"],
      vary: { ...vary },
      trials: trials ?? 0,
      reduction: reduction ?? 0,
    },
  };
}

/** Adds `albert jobs sweep`: the trials of a sweep. */
export function registerSweepTable(jobs: Command): void {
  addAdminOptions(jobs.command("sweep <job>").description("show the trials of a sweep, the best first")).action(
    (jobId: string, flags: AdminFlags) =>
      withAdmin(flags, async ({ training }) => {
        const reply = await training.getSweep({ jobId });
        print(flags, GetSweepResponseSchema, reply, () =>
          tableLines(reply.metric, reply.varied, reply.trials.map(rowOf)),
        );
      }),
  );
}

function rowOf({ number, settings, value, judged, step, state, failed, best, jobId }: SweepTrial) {
  const word = jobId === "" ? "" : enumWord(JobStateSchema, state);
  return {
    ...{ number, settings, judged, best, steps: step },
    ...(value === undefined ? {} : { value }),
    state: failed === "" ? [word, jobId].filter(Boolean).join("  ") : `${word}  ${jobId}  ${failed}`,
  };
}
