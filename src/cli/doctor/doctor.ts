import type { Command } from "commander";
import { loadProcessConfig } from "../../config/sources.ts";
import { addSettingOptions, configPath, settingFlags } from "../config.ts";
import { EXIT, failureOf } from "../failure.ts";
import { deviceFindings, portFindings, storeFinding } from "./configured-checks.ts";
import type { Check, Finding } from "./finding.ts";
import {
  clockFinding,
  memoryFinding,
  nodeFinding,
  openFilesFinding,
  optionalPackages,
  processorsFinding,
  temporaryFinding,
} from "./machine-checks.ts";

/** Adds `albert doctor`: whether this machine, with these settings, is fit for a server, and what to do where it is not. */
export function registerDoctor(program: Command): void {
  const command = program
    .command("doctor")
    .description(
      "check this machine and the settings of a server, and say what to do; exit status 1 where something fails",
    );
  addSettingOptions(command);
  command.option("--json", "print JSON").action(async (flags: Readonly<Record<string, unknown>>) => {
    const json = flags["json"] === true;
    const findings: Finding[] = [];
    for (const check of checksOf(flags)) {
      for (const finding of await checked(check)) {
        findings.push(finding);
        if (!json) process.stdout.write(`${lineOf(finding)}\n`);
      }
    }
    if (json) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
    else process.stdout.write(`${summaryOf(findings)}\n`);
    if (findings.some(({ state }) => state === "fail")) process.exitCode = EXIT.failed;
  });
}

function checksOf(flags: Readonly<Record<string, unknown>>): Check[] {
  const machine: Check[] = [
    () => [nodeFinding()],
    () => [memoryFinding()],
    () => [processorsFinding()],
    () => [openFilesFinding()],
    async () => [await temporaryFinding()],
    () => [clockFinding()],
    optionalPackages,
  ];
  try {
    const { config } = loadProcessConfig(settingFlags(flags), configPath(flags));
    return [
      ...machine,
      () => [{ name: "settings", state: "ok", says: "no contradiction; albert config shows them all" }],
      () => portFindings(config),
      async () => [await storeFinding(config.store.directory)],
      () => deviceFindings(config),
    ];
  } catch (error) {
    const advice = "albert config --help lists the settings; the checks that need them were left out";
    return [...machine, () => [{ name: "settings", state: "fail", says: failureOf(error).message, advice }]];
  }
}

/** A check that cannot be made is a finding too. */
async function checked(check: Check): Promise<readonly Finding[]> {
  try {
    return await check();
  } catch (error) {
    return [{ name: "a check", state: "fail", says: failureOf(error).message, advice: "please report it" }];
  }
}

const NAME_CELLS = 28;

function lineOf({ name, state, says, advice }: Finding): string {
  const line = `${state.padEnd(4)}  ${name.padEnd(NAME_CELLS)}  ${says}`;
  return advice === undefined || state === "ok" ? line : `${line}\n      ${" ".repeat(NAME_CELLS)}  -> ${advice}`;
}

function summaryOf(findings: readonly Finding[]): string {
  const [fails, warns] = (["fail", "warn"] as const).map(
    (wanted) => findings.filter(({ state }) => state === wanted).length,
  );
  if (fails === 0 && warns === 0) return "all well";
  return `${fails} failed, ${warns} to look at`;
}
