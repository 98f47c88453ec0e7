import type { Command } from "commander";
import { albertConfigToJson } from "../../model/config.ts";
import { headParameters, modelParameters, type ParameterSpec, trunkParameters } from "../../model/parameters.ts";
import { sizeOf } from "../../model/tensor.ts";
import { type ModelSource, readModelSource } from "../inference/model-source.ts";
import { calibrationText, labelsText } from "./calibrate.ts";
import { lossText } from "./convert.ts";
import { quantisationText } from "./quantise.ts";

/** Adds `albert inspect`: what a model is made of, after checking every byte of it. */
export function registerInspect(program: Command): void {
  program
    .command("inspect")
    .description("verify a model and print its configuration, heads and tensors")
    .argument("<model>", "model directory, Hugging Face or TensorFlow checkpoint")
    .option("--config <file>", "configuration, where it is not next to the weights")
    .option("--json", "print JSON")
    .action(async (path: string, flags: { config?: string; json?: true }) => {
      const source = await readModelSource(path, flags.config === undefined ? {} : { config: flags.config });
      const report = inspection(source);
      process.stdout.write(flags.json ? `${JSON.stringify(report, null, 2)}\n` : printed(report, source));
    });
}

function inspection({ format, config, heads, vocabulary, warnings, unused, manifest, digest }: ModelSource) {
  const values = (specs: readonly ParameterSpec[]) => specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const specs = modelParameters(config, heads);
  return {
    format,
    ...(manifest === undefined ? {} : { name: manifest.name, digest }),
    config: albertConfigToJson(config),
    heads: heads.map((head) => ({ ...head, parameters: values(headParameters(config, head)) })),
    vocabulary: vocabulary === undefined ? null : { kind: vocabulary.kind, lowerCase: vocabulary.lowerCase },
    parameters: { total: values(specs), trunk: values(trunkParameters(config)) },
    tensors: specs.map(({ name, shape }) => ({ name, shape })),
    unused,
    warnings,
    ...(manifest === undefined ? {} : { manifest }),
  };
}

function printed(report: ReturnType<typeof inspection>, { manifest }: ModelSource): string {
  const count = (value: number) => value.toLocaleString("en-US");
  const lines: string[] = [];
  if (report.name !== undefined) lines.push(`${report.name}  ${report.digest}`);
  lines.push(`format      ${report.format}`);
  lines.push(`parameters  ${count(report.parameters.total)} (trunk ${count(report.parameters.trunk)})`);
  const { vocabulary } = report;
  const casing = vocabulary?.lowerCase ? "lower-cased" : "cased";
  lines.push(`vocabulary  ${vocabulary === null ? "none next to the weights" : `${vocabulary.kind}, ${casing}`}`);
  for (const head of report.heads) {
    const labels = head.kind === "classification" ? `, ${head.problemType}: ${labelsText(head)}` : "";
    lines.push(`head        ${head.name} (${head.kind}${labels}), ${count(head.parameters)} parameters`);
  }
  lines.push("configuration");
  for (const [key, value] of Object.entries(report.config)) lines.push(`  ${key}: ${JSON.stringify(value)}`);
  lines.push("tensors");
  const width = Math.max(...report.tensors.map(({ name }) => name.length));
  for (const { name, shape } of report.tensors) lines.push(`  ${name.padEnd(width)}  [${shape.join(", ")}]`);
  for (const [name, value] of Object.entries(manifest?.metrics ?? {})) lines.push(`metric      ${name} ${value}`);
  const { converted, quantised, calibrated, repeats } = manifest?.lineage ?? {};
  if (repeats !== undefined) {
    lines.push(`chosen      ${repeats.published}, the ${repeats.publishedAs} of ${repeats.runs.length} runs`);
    for (const { name, metrics } of repeats.runs)
      lines.push(`            ${name} ${repeats.metric} ${metrics[repeats.metric]}`);
  }
  if (calibrated !== undefined) {
    lines.push(
      `calibrated  ${calibrated.from === undefined ? "when it was trained" : `from ${calibrated.from}`}`,
      ...calibrationText(calibrated).map((line) => `            ${line}`),
    );
  }
  if (converted !== undefined) {
    lines.push(`weights     ${converted.weights}, converted from ${converted.from}`);
    const loss =
      converted.measured === undefined ? ["effect not measured"] : lossText(converted.measured).trimEnd().split("\n");
    lines.push(...loss.map((line) => `            ${line}`));
  }
  if (quantised !== undefined) {
    const [first = "", ...rest] = quantisationText(quantised);
    lines.push(`scales      ${first}`, ...rest.map((line) => `            ${line}`));
  }
  if (report.unused.length > 0) lines.push(`unused      ${report.unused.length} tensors: ${report.unused[0]} ...`);
  for (const warning of report.warnings) lines.push(`warning     ${warning}`);
  return `${lines.join("\n")}\n`;
}
