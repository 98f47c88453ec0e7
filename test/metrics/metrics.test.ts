import { Registry } from "prom-client";
import { afterEach, describe, expect, it } from "vitest";
import { DURATION_BUCKETS } from "../../src/metrics/buckets.ts";
import { cacheMetrics } from "../../src/metrics/caches.ts";
import { createMetrics, type Metrics } from "../../src/metrics/metrics.ts";

let metrics: Metrics;
const fresh = (): Metrics => {
  metrics = createMetrics("1.2.3");
  return metrics;
};
afterEach(() => metrics.close());

const page = async () => (await metrics.page()).body;

describe("the metrics page", () => {
  it("keeps its names, types and labels; a changed one is announced two minor releases ahead", async () => {
    fresh();
    recordEverything(metrics);
    const body = await page();
    const kinds = [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => {
      const labels = new Set(
        [...body.matchAll(new RegExp(`^${name}(?:_bucket)?\\{([^}]*)\\}`, "gm"))].flatMap(([, list]) =>
          [...list!.matchAll(/(\w+)="/g)].map(([, label]) => label!).filter((label) => label !== "le"),
        ),
      );
      return `${name} ${kind} ${[...labels].sort().join(",")}`.trim();
    });
    expect(kinds.sort()).toMatchSnapshot();
  });

  it("is OpenMetrics where that is asked for, with the traces of durations, and stays as it was otherwise", async () => {
    fresh();
    recordEverything(metrics);
    const before = (await page()).match(/^# TYPE .*$/gm);
    const outcome = { task: "classify", priority: "interactive", model: "m", version: "v1", code: "ok", reason: "" };
    metrics.requests.finished({ ...outcome, seconds: 0.003, traceId: "4bf92f3577b34da6a3ce929d0e0e4736" });
    metrics.requests.finished({ ...outcome, seconds: 0.004 });
    metrics.calls.finished("albert.v1.InferenceService/Classify", "OK", 0.02, "4bf92f3577b34da6a3ce929d0e0e4736");
    const { contentType, body } = await metrics.page("openmetrics");
    expect(contentType).toMatch(/^application\/openmetrics-text; version=1.0.0/);
    expect(body).toMatch(/^# EOF\n$/m);
    expect(body).toMatch(/^# TYPE albert_requests counter$/m);
    expect(body).toMatch(/^albert_requests_total\{.*\} \d+$/m);
    expect(body.match(/^rpc_server_call_duration_seconds_bucket.* # .*$/gm)).toEqual([
      expect.stringMatching(/le="0.025",.* # \{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"\} 0.02 /),
    ]);
    const examples = body.match(/^albert_request_duration_seconds_bucket.* # .*$/gm);
    expect(examples).toEqual([
      expect.stringMatching(/le="0.0041",.* \d+ # \{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"\} 0.003 \d+(\.\d+)?$/),
    ]);
    const text = await page();
    expect(text.match(/^# TYPE .*$/gm)).toEqual(before);
    expect(text).not.toContain("trace_id");
  });

  it("shows how often caches had what was looked for, and their bytes, measured once a minute", async () => {
    const registry = new Registry();
    let [now, bytes] = [0, 5];
    const caches = cacheMetrics(registry, () => now);
    caches.looked("versions", true);
    caches.looked("versions", false);
    caches.looked("versions", true);
    let read = 0;
    caches.measure("datasets", async () => {
      read += 1;
      if (bytes < 0) throw new Error("unreadable");
      return bytes;
    });
    const shown = async () => (await registry.metrics()).match(/^albert_cache.*$/gm);
    const lookups = [
      'albert_cache_lookups_total{cache="versions",result="hit"} 2',
      'albert_cache_lookups_total{cache="versions",result="miss"} 1',
    ];
    expect(await shown()).toEqual([...lookups, 'albert_cache_bytes{cache="datasets"} 5']);
    bytes = 9;
    now = 59_000;
    expect(await shown()).toEqual([...lookups, 'albert_cache_bytes{cache="datasets"} 5']);
    now = 60_000;
    expect(await shown()).toEqual([...lookups, 'albert_cache_bytes{cache="datasets"} 9']);
    bytes = -1;
    now = 120_000;
    expect(await shown()).toEqual(lookups);
    expect(read).toBe(3);
  });

  it("measures durations in seconds with one set of bounds", () => {
    fresh();
    expect(DURATION_BUCKETS[0]).toBe(0.001);
    expect(DURATION_BUCKETS.at(-1)).toBe(60);
    expect([...DURATION_BUCKETS].sort((a, b) => a - b)).toEqual(DURATION_BUCKETS);
  });

  it("keeps two instances apart", async () => {
    const other = createMetrics("0");
    fresh().queue.shed("QUEUE_FULL", "interactive");
    expect((await other.page()).body).not.toContain("QUEUE_FULL");
    expect(await page()).toContain('albert_shed_total{reason="QUEUE_FULL",priority="interactive"} 1');
    other.close();
  });

  it("reads queue depth when scraped", async () => {
    let requests = 3;
    fresh().queue.observe(
      () => new Map([["interactive", { requests, tokens: 7, predictedSeconds: 0.5, oldestAgeSeconds: 2 }]]),
    );
    expect(await page()).toContain('albert_queue_requests{priority="interactive"} 3');
    requests = 0;
    expect(await page()).toContain('albert_queue_requests{priority="interactive"} 0');
  });

  it("shows one state per version and drops the series of a retired version", async () => {
    const { models, requests } = fresh();
    models.state("m", "v1", "loading");
    models.state("m", "v1", "serving");
    models.loaded("m", "v1", "0123456789abcdef", "cpu");
    models.state("m", "v2", "serving");
    const ended = { task: "classify", priority: "interactive", code: "ok", reason: "", seconds: 0.1 };
    requests.finished({ ...ended, model: "m", version: "v1" });
    requests.finished({ ...ended, model: "m", version: "v2" });
    expect(await page()).toContain('albert_model_state{alias="m",version="v1",state="serving"} 1');
    expect(await page()).not.toContain('state="loading"');
    expect(await page()).toContain('digest="0123456789ab"');
    await models.forget("m", "v1");
    await requests.forget("m", "v1");
    expect(await page()).not.toContain('version="v1"');
    expect(await page()).toContain(
      'albert_requests_total{task="classify",alias="m",version="v2",code="ok",reason=""} 1',
    );
  });
});

describe("canaries", () => {
  it("have series from their first request to their end, so that the first decision shows as an increase", async () => {
    const { canaries } = fresh();
    canaries.share("m", "2", "canary", 10);
    canaries.doubt("m", "slow", 0.25);
    expect(await page()).toContain('albert_traffic_percent{alias="m",version="2",mode="canary"} 10');
    expect(await page()).toContain('albert_canary_decisions_total{alias="m",decision="rolled_back"} 0');
    canaries.decided("m", "rolled_back");
    await canaries.ended("m");
    expect(await page()).not.toContain("albert_traffic_percent{");
    expect(await page()).not.toContain("albert_canary_doubt{");
    expect(await page()).toContain('albert_canary_decisions_total{alias="m",decision="rolled_back"} 1');
  });
});

describe("the process", () => {
  it("has spent processor time since a moment in the past, and keeps open files", async () => {
    fresh();
    const value = async (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(await page())?.[1]);
    expect(await value("process_cpu_seconds_total")).toBeCloseTo(process.cpuUsage().user / 1e6, -1);
    expect(await value("process_start_time_seconds")).toBeCloseTo(Date.now() / 1000 - process.uptime(), 0);
    expect(await value("process_open_fds")).toBeGreaterThan(2);
    expect(await value("process_max_fds")).toBeGreaterThan(await value("process_open_fds"));
    expect(await value("albert_memory_limit_bytes")).toBeGreaterThan(process.memoryUsage.rss());
  });

  it("shows how late its event loop was since the last look, and forgets it", async () => {
    fresh();
    const lateness = async () => Number(/^nodejs_eventloop_delay_max_seconds (\S+)$/m.exec(await page())?.[1]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const until = Date.now() + 300;
    while (Date.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await lateness()).toBeGreaterThan(0.2);
    expect(await lateness()).toBeLessThan(0.2);
  });

  it("counts the garbage collections of its heap", async () => {
    fresh();
    for (let i = 0; i < 10; i++) Array.from({ length: 100_000 }, (_, j) => ({ j }));
    await expect.poll(page).toMatch(/^nodejs_gc_duration_seconds_count\{kind="minor"\} [1-9]/m);
  });
});

describe("jobs", () => {
  const job = { kind: "fine-tune", model: "m", step: 3, totalSteps: 10, loss: 0.5, tokensPerSecond: 7, etaSeconds: 2 };

  it("are counted by state, and show progress only while they are at work", async () => {
    let jobs = [
      { ...job, state: "running", active: true, updatedMs: 5000 },
      { ...job, state: "failed", active: false, updatedMs: 1000 },
    ];
    fresh().jobs.observe(() => jobs);
    expect(await page()).toContain('albert_jobs{kind="fine-tune",state="running"} 1');
    expect(await page()).toContain('albert_jobs{kind="fine-tune",state="failed"} 1');
    expect(await page()).toContain('albert_job_step{kind="fine-tune",model="m"} 3');
    expect(await page()).toContain('albert_job_last_event_timestamp_seconds{kind="fine-tune",model="m"} 5');
    // The first of its kind that is rejected will be a change of this series.
    expect(await page()).toContain('albert_jobs{kind="fine-tune",state="rejected"} 0');
    jobs = jobs.map((one) => ({ ...one, state: "succeeded", active: false }));
    expect(await page()).toContain('albert_jobs{kind="fine-tune",state="succeeded"} 2');
    expect(await page()).not.toContain('state="running"');
    expect(await page()).not.toContain("albert_job_step{");
  });
});

function recordEverything(all: Metrics): void {
  const { calls, requests, queue, batches, models, canaries, jobs, store, caches, responseCache, indexes, process } =
    all;
  const job = { kind: "fine-tune", model: "m", state: "running", active: true, updatedMs: 1 };
  jobs.observe(() => [{ ...job, step: 1, totalSteps: 2, loss: 1, tokensPerSecond: 1, etaSeconds: 1 }]);
  jobs.tracked("sent", 3);
  jobs.trackingFailed();
  store.operated("get", "ok", 0.1);
  store.collected(1, 1, 1);
  store.followFailed();
  store.judged("pass");
  caches.looked("versions", true);
  caches.measure("versions", async () => 7);
  responseCache.observe(() => ({ bytes: 7, answers: 1 }));
  responseCache.asked("hit");
  indexes.serves("docs", 7);
  indexes.searched("docs", 0.1);
  calls.finished("albert.v1.InferenceService/Classify", "OK", 0.1);
  calls.streamsOpen("public", 1);
  calls.limited("streams");
  requests.started("classify");
  const ended = { task: "classify", priority: "interactive", model: "m", version: "v", seconds: 0.1 };
  requests.finished({ ...ended, code: "ok", reason: "" });
  requests.stage("run", 0.1);
  requests.input("classify", 12, 1, true);
  requests.deadlineExceeded("queue");
  requests.cancelled("queue");
  queue.observe(() => new Map([["interactive", { requests: 1, tokens: 1, predictedSeconds: 1, oldestAgeSeconds: 1 }]]));
  queue.waited("interactive", 0.1);
  queue.shed("QUEUE_FULL", "interactive");
  batches.ran({ device: "cpu", sequences: 1, tokens: 1, paddedTokens: 1, runSeconds: 1, predictedSeconds: 1 });
  batches.closed("full");
  batches.wasted("deadline", 1);
  batches.poison("backend");
  models.state("m", "v", "serving");
  models.loaded("m", "v", "d", "cpu");
  models.generation("m", 1);
  models.phase("load", 1);
  models.swapped("promoted", "");
  models.compared("classify", false);
  models.scoreShift("m", 0.1);
  canaries.share("m", "v", "canary", 10);
  canaries.fellBack("m", "POISON");
  canaries.doubt("m", "failed", 0.5);
  canaries.decided("m", "promoted");
  process.ready(true);
  process.draining(false);
}
