import { dashboard, gauge, JOB, quantile, rate } from "./panels.ts";

/** Jobs, the one at work, and the store that keeps what they make. */
export const TRAINING = dashboard("albert-training", "albert-serve: training", [
  {
    title: "Jobs",
    panels: [
      {
        title: "Jobs by state",
        description: "All that the servers' logs know, ended ones included.",
        kind: "timeseries",
        unit: "short",
        queries: [{ expr: gauge("albert_jobs", ["state"]), legend: "{{state}}" }],
      },
      {
        title: "Done",
        description: "Steps taken, as a share of those planned.",
        kind: "stat",
        unit: "percentunit",
        queries: [
          {
            expr: `albert_job_step{${JOB}} / (albert_job_planned_steps{${JOB}} > 0)`,
            legend: "{{kind}} {{model}}",
          },
        ],
      },
      {
        title: "Remaining",
        description: "Time that the job at work still needs.",
        kind: "stat",
        unit: "s",
        queries: [{ expr: `albert_job_remaining_seconds{${JOB}}`, legend: "{{kind}} {{model}}" }],
      },
      {
        title: "Silent for",
        description: "Since the newest entry of its log.",
        kind: "stat",
        unit: "s",
        queries: [{ expr: `time() - albert_job_last_event_timestamp_seconds{${JOB}}`, legend: "{{kind}} {{model}}" }],
      },
    ],
  },
  {
    title: "At work",
    panels: [
      {
        title: "Training loss",
        description: "Of the newest step.",
        kind: "timeseries",
        unit: "short",
        queries: [{ expr: `albert_job_loss{${JOB}}`, legend: "{{kind}} {{model}}" }],
      },
      {
        title: "Tokens a second",
        description: "Falls while training yields to requests.",
        kind: "timeseries",
        unit: "short",
        queries: [{ expr: `albert_job_tokens_per_second{${JOB}}`, legend: "{{kind}} {{model}}" }],
      },
      {
        title: "Requests meanwhile",
        description: "p99 of interactive requests on servers that do both.",
        kind: "timeseries",
        unit: "s",
        queries: [
          {
            expr: quantile(0.99, "albert_request_duration_seconds", ["instance"], 'priority="interactive"'),
            legend: "{{instance}}",
          },
        ],
      },
    ],
  },
  {
    title: "Store",
    panels: [
      {
        title: "Operations a second",
        description: "On the place where the store keeps its bytes.",
        kind: "timeseries",
        unit: "ops",
        queries: [{ expr: rate("albert_store_operations_total", ["operation"]), legend: "{{operation}}" }],
      },
      {
        title: "Operations that did not succeed",
        description: "A conflict is a lost race between two writers, and no fault.",
        kind: "timeseries",
        unit: "ops",
        queries: [
          { expr: rate("albert_store_operations_total", ["outcome"], 'outcome!="ok"'), legend: "{{outcome}}" },
          { expr: rate("albert_store_follow_failures_total", []), legend: "could not follow" },
        ],
      },
      {
        title: "Time of an operation, p99",
        description: "By operation.",
        kind: "timeseries",
        unit: "s",
        queries: [{ expr: quantile(0.99, "albert_store_operation_seconds", ["operation"]), legend: "{{operation}}" }],
      },
      {
        title: "Removed",
        description: "Bytes a second freed by removing what nothing keeps.",
        kind: "timeseries",
        unit: "Bps",
        queries: [{ expr: rate("albert_store_freed_bytes_total", []), legend: "freed" }],
      },
    ],
  },
]);
