import { writeFile } from "node:fs/promises";
import { dirname, extname } from "node:path";
import { InvalidArgumentError } from "commander";
import { makeDirectory } from "../../platform/directories.ts";
import type { EvaluationReport } from "../../report/evaluation-report.ts";
import { reportPage } from "../../report/render/page.ts";

// The file of a report: a page or JSON, as its name ends.

/** The value of an option that names such a file. */
export function reportFile(path: string): string {
  if (isPage(path) || extname(path).toLowerCase() === ".json") return path;
  throw new InvalidArgumentError("expected a file that ends in .html or .json");
}

export async function writeReport(report: EvaluationReport, path: string): Promise<void> {
  await makeDirectory(dirname(path));
  await writeFile(path, isPage(path) ? reportPage(report) : `${JSON.stringify(report, null, 2)}\n`);
}

function isPage(path: string): boolean {
  return /^\.html?$/i.test(extname(path));
}
