import { PRICES, type Requests, type summaryOf } from "./costs.ts";
import { type FollowersOptions, type FollowersReport, simulateFollowers } from "./followers.ts";
import { simulateTrainers, type TrainersOptions, type TrainersReport } from "./trainers.ts";

// Plans past one machine: simulates many servers on one store, and says what that asks of the store and costs.

const MINUTE = 60_000;

const FOLLOWERS: FollowersOptions = {
  ...{ seed: 1, replicas: 40, promotions: 40, pollMs: 1000, betweenMs: 2 * MINUTE, requestsPerSecond: 20 },
  ...{ quietMs: 10 * MINUTE, canaryMs: 10 * MINUTE },
};

const TRAINERS: TrainersOptions = {
  ...{ seed: 1, trainers: 200, load: 0.9, backlog: 0, jobMs: 20 * MINUTE, checkpointMs: 5 * MINUTE },
  ...{
    deathEveryMs: Number.POSITIVE_INFINITY,
    pollMs: 1000,
    leaseMs: 30_000,
    warmUpMs: MINUTE,
    lastsMs: 2 * MINUTE,
  },
};

const QUEUES: Readonly<Record<string, Partial<TrainersOptions>>> = {
  "200 trainers, nine in ten at work": {},
  "200 trainers, all at work, 500 jobs wait": { load: 1, backlog: 700 },
  "200 trainers, of which twelve a minute die": { deathEveryMs: 5000, lastsMs: 3 * MINUTE },
  "20 trainers, nine in ten at work": { trainers: 20, lastsMs: 10 * MINUTE },
};

/** Simulates what `docs/scaling.md` tells. Prints the tables on standard error, and returns the numbers. */
export async function benchScaling(): Promise<unknown> {
  const followers = await simulateFollowers(FOLLOWERS);
  console.error(followersTable(FOLLOWERS, followers));
  const queues: Record<string, TrainersReport> = {};
  for (const [name, varied] of Object.entries(QUEUES)) {
    queues[name] = await simulateTrainers({ ...TRAINERS, ...varied });
    console.error(trainersTable({ [name]: queues[name] }));
  }
  return { prices: PRICES, followers: { options: FOLLOWERS, ...followers }, trainers: { options: TRAINERS, queues } };
}

function followersTable({ replicas }: FollowersOptions, report: FollowersReport): string {
  return [
    `\n| ${replicas} replicas follow one record | GET a minute | PUT | LIST | HEAD | $ a month |\n|---|---|---|---|---|---|`,
    row("nothing changes", report.quiet),
    row("a canary runs", report.canary),
    `\na promotion serves (seconds, p50 / p99 / most): on a replica ${times(report.served)}, on all ${times(report.servedByAll)}; requests for each: ${report.requestsPerPromotion}`,
    `of what the replicas counted of the canary, in the store: ${report.counted}`,
  ].join("\n");
}

function trainersTable(queues: Readonly<Record<string, TrainersReport>>): string {
  const names = Object.entries(queues);
  return [
    "\n| a queue | GET a minute | PUT | LIST | HEAD | $ a month |\n|---|---|---|---|---|---|",
    ...names.map(([name, { requests }]) => row(name, requests)),
    "\n| seconds, p50 / p99 / most | a job begins | a death is noticed | another goes on | deaths | claims in vain, for each that stood |\n|---|---|---|---|---|---|",
    ...names.map(([name, { begun, noticed, takenOver, deaths, claimsLost }]) =>
      [`| ${name}`, times(begun), times(noticed), times(takenOver), deaths, `${claimsLost} |`].join(" | "),
    ),
  ].join("\n");
}

function row(name: string, { perMinute: { GET, PUT, LIST, HEAD }, dollarsPerMonth }: Requests): string {
  return `| ${[name, GET, PUT, LIST, HEAD, Math.round(dollarsPerMonth)].join(" | ")} |`;
}

function times({ p50, p99, most }: ReturnType<typeof summaryOf>): string {
  return `${p50} / ${p99} / ${most}`;
}
