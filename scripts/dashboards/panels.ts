// The few kinds of panels that the dashboards are made of, as Grafana's JSON.

/** One line or more of a panel: a PromQL expression, and how its series are called. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** A panel before it has a place. */
export interface Panel {
  readonly title: string;
  /** What one should know to read it. */
  readonly description: string;
  readonly kind: "timeseries" | "stat" | "table";
  /** Grafana's name of the unit, such as "s", "bytes", "reqps", "percentunit" or "short". */
  readonly unit: string;
  readonly queries: readonly Query[];
}

/** A row with a heading, and its panels from left to right. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const WIDTH = 24;
const HEIGHT = { timeseries: 8, stat: 4, table: 8 } as const;
/** The data source that the viewer of the dashboard chooses. */
const DATA_SOURCE = { type: "prometheus", uid: "$datasource" };
/** What every expression is limited to; the dashboard's own variable. */
export const JOB = 'job=~"$job"';

/** Grafana's JSON of a dashboard. Panels of a row share its width. */
export function dashboard(uid: string, title: string, rows: readonly Row[]): object {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    const gridPos = { x: 0, y, w: WIDTH, h: 1 };
    panels.push({ id: panels.length + 1, type: "row", title: row.title, collapsed: false, gridPos, panels: [] });
    y++;
    const width = Math.floor(WIDTH / row.panels.length);
    const height = Math.max(...row.panels.map(({ kind }) => HEIGHT[kind]));
    for (const [place, panel] of row.panels.entries()) {
      panels.push(panelJson(panels.length + 1, panel, { x: place * width, y, w: width, h: height }));
    }
    y += height;
  }
  return {
    uid,
    title,
    tags: ["albert-serve"],
    schemaVersion: 39,
    editable: true,
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    templating: { list: [dataSourceVariable(), jobVariable()] },
    annotations: { list: [startsAnnotation()] },
    panels,
  };
}

function panelJson(id: number, { title, description, kind, unit, queries }: Panel, gridPos: object): object {
  return {
    id,
    type: kind,
    title,
    description,
    datasource: DATA_SOURCE,
    gridPos,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options:
      kind === "timeseries"
        ? { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } }
        : kind === "stat"
          ? { reduceOptions: { calcs: ["lastNotNull"] }, colorMode: "value", textMode: "auto" }
          : { showHeader: true },
    ...(kind === "table" ? { transformations: [{ id: "labelsToFields", options: { mode: "columns" } }] } : {}),
    targets: queries.map(({ expr, legend }, place) => ({
      refId: String.fromCharCode(65 + place),
      datasource: DATA_SOURCE,
      expr,
      legendFormat: legend,
      ...(kind === "table" ? { format: "table", instant: true } : {}),
    })),
  };
}

function dataSourceVariable(): object {
  return { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", hide: 0 };
}

function jobVariable(): object {
  return {
    name: "job",
    label: "Job",
    type: "query",
    datasource: DATA_SOURCE,
    query: { query: "label_values(albert_build_info, job)", refId: "job" },
    includeAll: true,
    multi: true,
    refresh: 2,
    current: { text: "All", value: "$__all" },
  };
}

/** Marks each start of a process. */
function startsAnnotation(): object {
  return {
    name: "Starts",
    datasource: DATA_SOURCE,
    enable: true,
    iconColor: "blue",
    expr: `process_start_time_seconds{${JOB}} * 1000`,
    useValueForTime: true,
    titleFormat: "{{instance}} started",
  };
}

/** Events a second, over the interval that suits the zoom. */
export function rate(series: string, labels: readonly string[], more = ""): string {
  return `${sumBy(labels)}(rate(${series}{${[JOB, more].filter(Boolean).join(",")}}[$__rate_interval]))`;
}

/** A quantile of a histogram. */
export function quantile(q: number, histogram: string, labels: readonly string[] = [], more = ""): string {
  return `histogram_quantile(${q}, ${rate(`${histogram}_bucket`, ["le", ...labels], more)})`;
}

/** A gauge of the chosen jobs. */
export function gauge(series: string, labels: readonly string[], more = ""): string {
  return `${sumBy(labels)}(${series}{${[JOB, more].filter(Boolean).join(",")}})`;
}

function sumBy(labels: readonly string[]): string {
  return labels.length === 0 ? "sum" : `sum by (${labels.join(", ")}) `;
}
