// The summary of a load test as one page of HTML that needs nothing else.

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1d2430;background:#fff}
table{border-collapse:collapse;margin:1rem 0}th,td{padding:.25rem .8rem;border-bottom:1px solid #d8dde6;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums}.held{color:#12693a}.broken{color:#b3261e;font-weight:600}
@media(prefers-color-scheme:dark){body{color:#e6e9ef;background:#14181f}th,td{border-color:#333b48}.held{color:#6fd39b}.broken{color:#ff8a80}}`;

/** @param report  as summary.js writes it to JSON */
export function summaryPage({ name, what, at, seconds, held, thresholds, metrics, statistics }) {
  const verdicts = thresholds.map(
    (row) =>
      `<tr><td>${escaped(row.metric)}</td><td>${escaped(row.rule)}</td><td class="${row.held ? "held" : "broken"}">${row.held ? "held" : "broken"}</td></tr>`,
  );
  const trends = rowsOf(metrics, "trend", statistics);
  const counts = rowsOf(metrics, "counter", ["count", "rate"]);
  const others = [...rowsOf(metrics, "rate", ["rate", "passes", "fails"]), ...rowsOf(metrics, "gauge", ["value"])];
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escaped(name)}</title><style>${STYLE}</style>
<h1>${escaped(name)}</h1><p>${escaped(what)}</p>
<p>${escaped(at)}, ${seconds} s: <span class="${held ? "held" : "broken"}">${held ? "every threshold held" : "a threshold broke"}</span></p>
<h2>Thresholds</h2><table><tr><th>metric</th><th>rule</th><th></th></tr>${verdicts.join("")}</table>
<h2>Times in milliseconds</h2>${table(statistics, trends)}
<h2>Counts</h2>${table(["count", "per second"], counts)}
<h2>Shares and levels</h2>${table(["value", "yes", "no"], others)}
</html>
`;
}

function rowsOf(metrics, type, keys) {
  return Object.keys(metrics)
    .filter((metric) => metrics[metric].type === type)
    .map((metric) => [metric, ...keys.map((key) => metrics[metric][key])]);
}

function table(headings, rows) {
  const head = ["metric", ...headings].map((heading) => `<th>${escaped(heading)}</th>`).join("");
  const body = rows.map(
    ([metric, ...cells]) =>
      `<tr><td>${escaped(metric)}</td>${cells.map((cell) => `<td class="n">${cell === undefined ? "" : cell}</td>`).join("")}</tr>`,
  );
  return `<table><tr>${head}</tr>${body.join("")}</table>`;
}

function escaped(text) {
  return String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
