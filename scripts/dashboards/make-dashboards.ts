// Writes the Grafana dashboards of deploy/monitoring from their descriptions: node --import tsx scripts/dashboards/make-dashboards.ts
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SERVING } from "./serving.ts";
import { TRAINING } from "./training.ts";
import { VERSIONS } from "./versions.ts";

/** File name without ending, and what it holds. */
export const DASHBOARDS: ReadonlyMap<string, object> = new Map([
  ["serving", SERVING],
  ["training", TRAINING],
  ["versions", VERSIONS],
]);

/** The file's text. */
export function dashboardText(json: object): string {
  return `${JSON.stringify(json, null, 2)}\n`;
}

if (process.argv[1] === import.meta.filename) {
  for (const [name, json] of DASHBOARDS) {
    writeFileSync(join(import.meta.dirname, `../../deploy/monitoring/dashboards/${name}.json`), dashboardText(json));
  }
}
