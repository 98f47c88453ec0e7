// What a load test leaves behind: a few lines on the terminal, NAME.json and NAME.html in the directory OUT.
import { OUT } from "./settings.js";
import { summaryPage } from "./summary-page.js";

/**
 * k6's `handleSummary` for one script.
 *
 * @param name  of the files
 * @param what  one sentence: what was sent
 */
export function summaryOf(name, what) {
  return (data) => {
    const report = { name, what, at: new Date().toISOString(), ...figures(data) };
    return {
      [`${OUT}/${name}.json`]: `${JSON.stringify(report, null, 2)}\n`,
      [`${OUT}/${name}.html`]: summaryPage(report),
      stdout: terminalLines(report),
    };
  };
}

/** Thresholds with their verdicts, and every metric's figures. */
function figures({ metrics, state, options }) {
  const names = Object.keys(metrics).sort();
  const thresholds = names.flatMap((metric) =>
    Object.keys(metrics[metric].thresholds || {}).map((rule) => ({
      metric,
      rule,
      held: metrics[metric].thresholds[rule].ok,
    })),
  );
  return {
    seconds: Math.round(state.testRunDurationMs / 100) / 10,
    held: thresholds.every(({ held }) => held),
    thresholds,
    metrics: Object.fromEntries(
      names.map((metric) => [metric, { type: metrics[metric].type, ...rounded(metrics[metric].values) }]),
    ),
    statistics: options.summaryTrendStats,
  };
}

function rounded(values) {
  return Object.fromEntries(Object.keys(values).map((key) => [key, Math.round(values[key] * 1000) / 1000]));
}

function terminalLines({ name, what, seconds, thresholds, metrics }) {
  const shown = Object.keys(metrics)
    .filter((metric) => metric.startsWith("albert_"))
    .map((metric) => {
      const { type, ...values } = metrics[metric];
      const list = Object.keys(values).map((key) => `${key}=${values[key]}`);
      return `  ${metric.padEnd(36)} ${list.join(" ")}`;
    });
  const verdicts = thresholds.map(({ metric, rule, held }) => `  ${held ? "held  " : "BROKEN"} ${metric} ${rule}`);
  return `\n${name}: ${what}; ${seconds} s\n${[...shown, "", ...verdicts].join("\n")}\n`;
}
