import { readFile } from "node:fs/promises";
import { invariant } from "../errors.ts";
import { taskOf } from "../jobs/runner/job-control.ts";
import type { ModelPublisher } from "../jobs/runner/publish-result.ts";
import type { EvaluationReport } from "../report/evaluation-report.ts";
import { CHAMPION } from "../store/aliases.ts";
import { type ModelVersion, versionName } from "../store/versions.ts";
import type { DataFiles } from "./data-files.ts";
import { type Deployment, isGenerationMismatch } from "./deployment.ts";
import { evaluationDataOf } from "./gate/evaluation-data.ts";
import { keepEvaluation } from "./gate/kept-reports.ts";
import { type GateOptions, keepOutcome, runGate } from "./gate/run-gate.ts";

/** Stores the models that jobs make, runs the gate on them, and promotes them through the deployment. */
export function jobPublisher(
  options: GateOptions & { readonly data: DataFiles; readonly deployment: Deployment },
): ModelPublisher {
  const { store, data, deployment } = options;
  return {
    async keep({ name, path }) {
      return (await store.datasets.add(name, path)).digest;
    },

    async publish({ spec }, modelDirectory) {
      return { version: versionName(await store.versions.publish(spec.model, modelDirectory)) };
    },

    async keepReport(version, path) {
      const [model = ""] = version.split("@");
      const report = JSON.parse(await readFile(path, "utf8")) as EvaluationReport; // the job wrote it
      await keepEvaluation(store.versions, { model, version: numberOf(version) }, report);
    },

    async runGate({ spec, findings: ofRun }, { version }, signal) {
      if (!["fine-tune", "distil", "convert", "calibrate", "quantise"].includes(spec.kind)) {
        const findings = [`the gate compares answers to a task; ${spec.kind} has none`];
        return { verdict: "inconclusive", better: false, report: { findings: [...findings, ...ofRun] } };
      }
      const candidate = await store.versions.get(spec.model, numberOf(version));
      // A version that was trained on part of one file is compared on the rest of it, which holds no text of that part.
      const training =
        spec.kind === "fine-tune" && spec.eval !== undefined && spec.train !== undefined
          ? { training: await data.resolve(spec.train, "spec.train.path") }
          : {};
      const outcome = await runGate(
        options,
        { candidate, task: taskOf(spec.task), data: await evaluationDataOf(data, spec), ofRun, ...training },
        signal,
      );
      await keepOutcome(store, candidate, outcome);
      const { report } = outcome;
      return { verdict: report.verdict, better: report.better, report: { ...report } };
    },

    async promoteIfUnchanged({ id, spec }, version, { report }) {
      const number = numberOf(version);
      const champion = await store.aliases.get(spec.model, CHAMPION);
      if (champion?.version === number) return true;
      if (champion?.version !== report["champion"]) return false;
      try {
        await deployment.promote(spec.model, number, {
          expectedGeneration: champion?.generation ?? 0,
          overrideGate: false,
          reason: `better than its predecessor, as job ${id} found`,
        });
      } catch (error) {
        if (!isGenerationMismatch(error)) throw error;
        return false;
      }
      return true;
    },
  };
}

function numberOf(version: string): ModelVersion["version"] {
  const number = Number(version.split("@")[1]);
  invariant(Number.isSafeInteger(number), `a published version is called ${version}`);
  return number;
}
