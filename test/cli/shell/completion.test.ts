import { execFileSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runAlbert } from "../../support/command-line.ts";
import { missing } from "../../support/fixtures.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-completion-"));
const scripts: Record<string, string> = {};

beforeAll(async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    scripts[shell] = join(directory, shell);
    writeFileSync(scripts[shell], (await runAlbert("completion", shell)).out);
  }
  writeFileSync(join(directory, "tickets.csv"), "");
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Whether a program is on this machine. */
function found(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const run = (shell: string, program: string) =>
  execFileSync(shell, shell === "fish" ? ["--no-config", "-c", program] : [shell === "zsh" ? "-fc" : "-c", program], {
    cwd: directory,
    encoding: "utf8",
    env: { ...process.env, HOME: directory },
  }).split("\n");

/** What each shell offers for the last of some words. */
const OFFERS: Readonly<Record<string, (words: readonly string[]) => string[]>> = {
  bash: (words) => {
    const list = words.map((word) => `'${word}'`).join(" ");
    const lines = run(
      "bash",
      `source '${scripts["bash"]}'; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _albert; printf '%s\n' "\${COMPREPLY[@]}"`,
    );
    return lines.filter((line) => line !== "");
  },
  zsh: (words) => {
    const list = words.map((word) => `'${word}'`).join(" ");
    const stubs =
      "compadd() { shift; print -l -- $@ }; _files() { print -l -- *(N) }; _describe() { print -l -- $" +
      "{found%%:*} }";
    const lines = run("zsh", `${stubs}; source '${scripts["zsh"]}'; words=(${list}); CURRENT=${words.length}; _albert`);
    return lines.filter((line) => line.startsWith(words.at(-1)!) && line !== "");
  },
  fish: (words) => {
    const lines = run("fish", `source '${scripts["fish"]}'; complete -C '${words.join(" ")}'`);
    return lines.map((line) => line.split("\t", 1)[0]!).filter((line) => line !== "");
  },
};

for (const [shell, offers] of Object.entries(OFFERS)) {
  describe.skipIf(missing(`the shell ${shell}`, found(shell)))(`completion in ${shell}`, () => {
    const complete = (line: string) => offers(line.split(" ")).sort();

    it("offers commands, and those below them", () => {
      expect(complete("albert ev")).toEqual(["evaluate"]);
      expect(complete("albert jobs c")).toEqual(["cancel", "clone", "create"]);
      expect(complete("albert")).not.toContain("evaluate");
    });

    it("offers the options of the command that stands there, and of no other", () => {
      expect(complete("albert jobs create --tra")).toEqual(["--train"]);
      expect(complete("albert train --learning-r")).toEqual(["--learning-rate"]);
      expect(complete("albert jobs list --learning-r")).toEqual([]);
    });

    it("offers the values that an option takes", () => {
      expect(complete("albert train --task squad")).toEqual(["squad-v1", "squad-v2"]);
      expect(complete("albert serve --role tr")).toEqual(["training"]);
      expect(complete("albert completion f")).toEqual(["fish"]);
    });

    it("offers files where a file may stand, and nothing where only a person knows", () => {
      expect(complete("albert train --train tick")).toEqual(["tickets.csv"]);
      expect(complete("albert jobs watch tick")).toEqual([]);
      expect(complete("albert train --name tick")).toEqual([]);
    });
  });
}

it("tells the shells it knows, and the one that was probably meant", async () => {
  await expect(runAlbert("completion", "powershell")).rejects.toThrow("Allowed choices are bash, zsh, fish");
});
