import { dashboard, JOB, quantile, rate } from "./panels.ts";

/** Which versions serve, how they came to, and how the challengers compare. */
export const VERSIONS = dashboard("albert-versions", "albert-serve: versions", [
  {
    title: "What serves",
    panels: [
      {
        title: "Loaded versions",
        description: "One row for each replica and version.",
        kind: "table",
        unit: "short",
        queries: [{ expr: `albert_model_info{${JOB}}`, legend: "" }],
      },
      {
        title: "Requests by version",
        description: "A swap shows as one line taking over from another.",
        kind: "timeseries",
        unit: "reqps",
        queries: [{ expr: rate("albert_requests_total", ["alias", "version"]), legend: "{{alias}}@{{version}}" }],
      },
    ],
  },
  {
    title: "Changes",
    panels: [
      {
        title: "States",
        description: "Replicas by the state that a version is in on them.",
        kind: "timeseries",
        unit: "short",
        queries: [
          {
            expr: `sum by (alias, version, state) (albert_model_state{${JOB}})`,
            legend: "{{alias}}@{{version}} {{state}}",
          },
        ],
      },
      {
        title: "Changes of version",
        description: "By how they ended; generation counts them per name.",
        kind: "timeseries",
        unit: "short",
        queries: [
          {
            expr: `sum by (result) (increase(albert_swap_total{${JOB}}[$__rate_interval]))`,
            legend: "{{result}}",
          },
          { expr: `max by (alias) (albert_model_generation{${JOB}})`, legend: "generation of {{alias}}" },
        ],
      },
      {
        title: "Time of each phase, p95",
        description: "Of loading, switching and releasing versions; docs/serving.md tells what each does.",
        kind: "timeseries",
        unit: "s",
        queries: [{ expr: quantile(0.95, "albert_swap_seconds", ["phase"]), legend: "{{phase}}" }],
      },
      {
        title: "Looked for in vain in caches",
        description: "Versions and data sets that were fetched from the store, engines that were measured anew.",
        kind: "timeseries",
        unit: "short",
        queries: [
          {
            expr: `sum by (cache) (increase(albert_cache_lookups_total{${JOB},result="miss"}[$__rate_interval]))`,
            legend: "{{cache}}",
          },
        ],
      },
      {
        title: "Caches on disk",
        description: "Local copies of versions and data sets, and features of jobs.",
        kind: "timeseries",
        unit: "bytes",
        queries: [{ expr: `max by (instance, cache) (albert_cache_bytes{${JOB}})`, legend: "{{instance}} {{cache}}" }],
      },
    ],
  },
  {
    title: "Challengers",
    panels: [
      {
        title: "Verdicts of the gate",
        description: "In the last day.",
        kind: "timeseries",
        unit: "short",
        queries: [
          { expr: `sum by (verdict) (increase(albert_gate_verdicts_total{${JOB}}[1d]))`, legend: "{{verdict}}" },
        ],
      },
      {
        title: "Shadow answers that differ",
        description: "As a share of those compared.",
        kind: "timeseries",
        unit: "percentunit",
        queries: [
          {
            expr: `${rate("albert_shadow_disagreements_total", ["task"])} / ${rate("albert_shadow_compared_total", ["task"])}`,
            legend: "{{task}}",
          },
        ],
      },
      {
        title: "Shift of scores",
        description:
          "Population stability index of the shadow against what serves; above 0.25 is a different distribution.",
        kind: "timeseries",
        unit: "short",
        queries: [{ expr: `albert_score_shift{${JOB}}`, legend: "{{alias}}" }],
      },
    ],
  },
  {
    title: "Canaries",
    panels: [
      {
        title: "Doubt about canaries",
        description: "How far the evidence of all servers that a canary is worse has come: at 1 it is taken back.",
        kind: "timeseries",
        unit: "short",
        queries: [
          { expr: `max by (alias, criterion) (albert_canary_doubt{${JOB}})`, legend: "{{alias}} {{criterion}}" },
        ],
      },
      {
        title: "Answered in a canary's place",
        description: "Requests that the champion answered because the canary could not, by the reason of its failure.",
        kind: "timeseries",
        unit: "reqps",
        queries: [{ expr: rate("albert_canary_fallbacks_total", ["alias", "reason"]), legend: "{{alias}} {{reason}}" }],
      },
    ],
  },
]);
