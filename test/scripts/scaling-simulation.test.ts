import { expect, it } from "vitest";
import { simulateFollowers } from "../../bench/scaling/followers.ts";
import { simulateTrainers, type TrainersOptions } from "../../bench/scaling/trainers.ts";

// What `npm run bench -- scaling` simulates, at a size that takes no time.

const TRAINERS: TrainersOptions = {
  ...{ seed: 3, trainers: 4, load: 0.7, backlog: 0, jobMs: 80_000, checkpointMs: 30_000 },
  ...{ deathEveryMs: 30_000, pollMs: 1000, leaseMs: 10_000, warmUpMs: 10_000, lastsMs: 100_000 },
};

it("lets replicas follow a record: each promotion serves everywhere, and what all count of a canary comes together", async () => {
  const options = {
    ...{ seed: 3, replicas: 4, promotions: 2, pollMs: 1000, betweenMs: 30_000, requestsPerSecond: 2 },
    ...{ quietMs: 60_000, canaryMs: 40_000 },
  };
  const report = await simulateFollowers(options);
  expect(report.served.count).toBe(8);
  expect(report.servedByAll.most).toBeLessThan(15);
  // One read a second of each replica, and what it reads now and then of the models there are.
  expect(report.quiet.perMinute.GET / 240).toBeCloseTo(1, 1);
  expect(report.counted).toBeGreaterThan(0.9);
  expect(await simulateFollowers(options)).toEqual(report);
});

it("lets servers share a queue: jobs of those that die go on elsewhere, and what a server asks of the store does not grow with the queue", async () => {
  const report = await simulateTrainers(TRAINERS);
  expect(report.deaths).toBeGreaterThan(0);
  // One that came last may not have been noticed when the world ended.
  expect(report.noticed.count).toBeGreaterThanOrEqual(report.deaths - 1);
  expect(report.takenOver.count).toBeGreaterThan(0);
  expect(report.takenOver.count).toBeLessThanOrEqual(report.deaths);
  // A whole lease without a sign, and at most two listings of signs until it is seen.
  expect(report.noticed.most).toBeLessThan(10 + 3 * 2 + 2);
  const long = await simulateTrainers({ ...TRAINERS, load: 1, backlog: 20, lastsMs: 40_000 });
  expect(long.requests.perMinute.GET).toBeLessThan(3 * report.requests.perMinute.GET);
});
