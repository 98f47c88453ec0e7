import { dashboard, gauge, JOB, quantile, rate } from "./panels.ts";

/** Requests, latency, queue, batches and the process: what the person on call looks at first. */
export const SERVING = dashboard("albert-serving", "albert-serve: serving", [
  {
    title: "Now",
    panels: [
      {
        title: "Replicas that take requests",
        description: "albert_ready; a replica that drains does not count.",
        kind: "stat",
        unit: "short",
        queries: [{ expr: gauge("albert_ready", []), legend: "" }],
      },
      {
        title: "Answers a second",
        description: "Requests answered within their deadline.",
        kind: "stat",
        unit: "reqps",
        queries: [{ expr: rate("albert_goodput_requests_total", []), legend: "" }],
      },
      {
        title: "p99, interactive",
        description: "From receiving a request to its answer or error.",
        kind: "stat",
        unit: "s",
        queries: [
          { expr: quantile(0.99, "albert_request_duration_seconds", [], 'priority="interactive"'), legend: "" },
        ],
      },
      {
        title: "Refused",
        description: "Share of requests that were refused because of load.",
        kind: "stat",
        unit: "percentunit",
        queries: [{ expr: `${rate("albert_shed_total", [])} / ${rate("albert_requests_total", [])}`, legend: "" }],
      },
    ],
  },
  {
    title: "Requests",
    panels: [
      {
        title: "Requests by how they ended",
        description: "ok, or the code of the error; docs/errors.md lists the reasons.",
        kind: "timeseries",
        unit: "reqps",
        queries: [{ expr: rate("albert_requests_total", ["code"]), legend: "{{code}}" }],
      },
      {
        title: "Requests by task",
        description: "What was asked.",
        kind: "timeseries",
        unit: "reqps",
        queries: [{ expr: rate("albert_requests_total", ["task"]), legend: "{{task}}" }],
      },
      {
        title: "Calls by gRPC status",
        description: "All calls of both listeners, health checks included.",
        kind: "timeseries",
        unit: "reqps",
        queries: [
          { expr: rate("rpc_server_call_duration_seconds_count", ["rpc_status_code"]), legend: "{{rpc_status_code}}" },
        ],
      },
    ],
  },
  {
    title: "Time",
    panels: [
      {
        title: "Duration",
        description: "Of all requests, refused ones included.",
        kind: "timeseries",
        unit: "s",
        queries: [0.5, 0.95, 0.99].map((q) => ({
          expr: quantile(q, "albert_request_duration_seconds", ["priority"]),
          legend: `p${100 * q} {{priority}}`,
        })),
      },
      {
        title: "Mean time in each stage",
        description: "The stages of a request add up to its duration.",
        kind: "timeseries",
        unit: "s",
        queries: [
          {
            expr: `${rate("albert_stage_duration_seconds_sum", ["stage"])} / ${rate("albert_stage_duration_seconds_count", ["stage"])}`,
            legend: "{{stage}}",
          },
        ],
      },
      {
        title: "Deadlines missed, callers gone",
        description: "By the stage that the request had reached.",
        kind: "timeseries",
        unit: "reqps",
        queries: [
          { expr: rate("albert_deadline_exceeded_total", ["stage"]), legend: "late in {{stage}}" },
          { expr: rate("albert_cancelled_total", ["stage"]), legend: "cancelled in {{stage}}" },
        ],
      },
    ],
  },
  {
    title: "Queue",
    panels: [
      {
        title: "Predicted wait",
        description: "Device time that waiting requests will take; what autoscaling looks at.",
        kind: "timeseries",
        unit: "s",
        queries: [{ expr: gauge("albert_queue_predicted_seconds", ["instance"]), legend: "{{instance}}" }],
      },
      {
        title: "Waiting requests, oldest",
        description: "Requests that wait, and how long the oldest has waited.",
        kind: "timeseries",
        unit: "short",
        queries: [
          { expr: gauge("albert_queue_requests", ["priority"]), legend: "{{priority}}" },
          { expr: `max(albert_queue_oldest_age_seconds{${JOB}})`, legend: "oldest, seconds" },
        ],
      },
      {
        title: "Refusals by reason",
        description: "Which bound was reached.",
        kind: "timeseries",
        unit: "reqps",
        queries: [{ expr: rate("albert_shed_total", ["reason"]), legend: "{{reason}}" }],
      },
    ],
  },
  {
    title: "Batches",
    panels: [
      {
        title: "Tokens a second",
        description: "Real tokens computed, and empty places in attention's view.",
        kind: "timeseries",
        unit: "short",
        queries: [{ expr: rate("albert_tokens_total", ["kind"]), legend: "{{kind}}" }],
      },
      {
        title: "Mean sequences in a batch",
        description: "Near 1 there is nothing to share a batch with.",
        kind: "timeseries",
        unit: "short",
        queries: [
          {
            expr: `${rate("albert_batch_sequences_sum", ["device"])} / ${rate("albert_batch_sequences_count", ["device"])}`,
            legend: "{{device}}",
          },
        ],
      },
      {
        title: "Device time of a batch",
        description: "p50 and p99.",
        kind: "timeseries",
        unit: "s",
        queries: [0.5, 0.99].map((q) => ({ expr: quantile(q, "albert_run_seconds"), legend: `p${100 * q}` })),
      },
    ],
  },
  {
    title: "Process",
    panels: [
      {
        title: "Processors in use",
        description: "All threads, user and system.",
        kind: "timeseries",
        unit: "short",
        queries: [{ expr: rate("process_cpu_seconds_total", ["instance"]), legend: "{{instance}}" }],
      },
      {
        title: "Memory",
        description: "Resident, and the limit of the container.",
        kind: "timeseries",
        unit: "bytes",
        queries: [
          { expr: gauge("process_resident_memory_bytes", ["instance"]), legend: "{{instance}}" },
          { expr: `min(albert_memory_limit_bytes{${JOB}})`, legend: "limit" },
        ],
      },
      {
        title: "Event loop",
        description: "How late the main thread is, and the time it spends collecting garbage.",
        kind: "timeseries",
        unit: "s",
        queries: [
          { expr: `max by (instance) (nodejs_eventloop_delay_p99_seconds{${JOB}})`, legend: "p99 {{instance}}" },
          { expr: rate("nodejs_gc_duration_seconds_sum", ["instance"]), legend: "collecting, per second {{instance}}" },
        ],
      },
    ],
  },
]);
