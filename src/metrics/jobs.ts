import { Counter, Gauge, type Registry } from "prom-client";

// The series about training jobs, read when scraped.

/** States in which jobs rest; each kind of job shows all of them, so that the first that fails is a change and not a new series. */
const RESTING = ["queued", "paused", "succeeded", "failed", "rejected", "cancelled"] as const;

/** A job as the metrics show it. */
export interface JobReading {
  readonly kind: string;
  /** Model whose versions it adds to; empty for kinds that make none. */
  readonly model: string;
  readonly state: string;
  /** Whether a worker is at it now. */
  readonly active: boolean;
  readonly step: number;
  readonly totalSteps: number;
  readonly loss: number;
  readonly tokensPerSecond: number;
  readonly etaSeconds: number;
  /** Of its newest event, in milliseconds since 1970. */
  readonly updatedMs: number;
}

/** Training jobs, read when scraped. Series about progress exist only while a job is at work. */
export interface JobMetrics {
  /** Names the list to read at each scrape; called once, by the owner of the jobs. */
  observe(jobs: () => readonly JobReading[]): void;
  /** Points of curves that a tracking server was told, or never will be. */
  tracked(outcome: "sent" | "lost", points: number): void;
  /** The tracking server could not be reached, or did not take what it was told. */
  trackingFailed(): void;
}

export function jobMetrics(registry: Registry): JobMetrics {
  const registers = [registry];
  let read: () => readonly JobReading[] = () => [];
  new Gauge({
    name: "albert_jobs",
    help: "Jobs in the server's log by what they do and where they stand, ended ones included.",
    labelNames: ["kind", "state"],
    registers,
    collect() {
      this.reset();
      const jobs = read();
      for (const { kind } of jobs) for (const state of RESTING) this.set({ kind, state }, 0);
      for (const { kind, state } of jobs) this.inc({ kind, state });
    },
  });
  const progress = (name: string, help: string, value: (job: JobReading) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["kind", "model"],
      registers,
      collect() {
        this.reset();
        for (const job of read()) if (job.active) this.set({ kind: job.kind, model: job.model }, value(job));
      },
    });
  progress("albert_job_step", "Steps that the job at work has taken.", ({ step }) => step);
  progress("albert_job_planned_steps", "Steps that the job at work is to take.", ({ totalSteps }) => totalSteps);
  progress("albert_job_loss", "Newest training loss of the job at work.", ({ loss }) => loss);
  progress(
    "albert_job_tokens_per_second",
    "Newest training speed of the job at work.",
    ({ tokensPerSecond }) => tokensPerSecond,
  );
  progress("albert_job_remaining_seconds", "Time that the job at work still needs.", ({ etaSeconds }) => etaSeconds);
  progress(
    "albert_job_last_event_timestamp_seconds",
    "When the job at work last wrote to its log, in seconds since 1970.",
    ({ updatedMs }) => updatedMs / 1000,
  );
  const points = new Counter({
    name: "albert_tracking_points_total",
    help: "Points of jobs' curves that the tracking server was told, or that are lost to it because it refused their run.",
    labelNames: ["outcome"],
    registers,
  });
  const failures = new Counter({
    name: "albert_tracking_failures_total",
    help: "Times that the tracking server went out of reach, or refused a run.",
    registers,
  });
  return {
    observe: (jobs) => {
      read = jobs;
    },
    tracked: (outcome, count) => points.inc({ outcome }, count),
    trackingFailed: () => failures.inc(),
  };
}
