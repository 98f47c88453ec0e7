import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { albert, type TinyFolder, tinyFolder } from "../tiny-run.ts";

let folder: TinyFolder;
beforeAll(() => {
  folder = tinyFolder();
});
afterAll(() => folder.remove());

const rows = (count: number, ...more: string[]) =>
  `text,label\r\n${Array.from({ length: count }, (_, i) => `"a fine, ${i} film",${i % 2 === 0 ? "good" : "bad"}\r\n`).join("")}${more.map((row) => `${row}\r\n`).join("")}`;

describe("albert datasets check", () => {
  it("names every problem with its place, and writes the rows that can be used", async () => {
    const wrong = Array.from({ length: 15 }, () => "no label,");
    const path = folder.write("mine.csv", rows(20, ...wrong, '"open,good', '"two\r\nlines",good'));
    const [problems, clean] = [join(folder.path, "problems.tsv"), join(folder.path, "clean.csv")];
    const task = ["--task", "classification"];
    const { printed, status } = await albert(
      "datasets",
      "check",
      path,
      ...task,
      "--problems",
      problems,
      "--write-clean",
      clean,
    );
    expect(status).toBe(4);
    expect(printed).toMatch(/^not usable: 37 rows read, 21 accepted, 16 rejected\nLABEL {2}ROWS\nbad +10\ngood +11\n/);
    expect(printed).toMatch(/^error missing-label: 15: .*\n( {2}mine\.csv:\d+:10: no label\n){10} {2}and 5 more\n/m);
    const lines = readFileSync(problems, "utf8").trimEnd().split("\n");
    expect(lines[0]).toBe("place\tseverity\tkind\tdetail\ttext");
    expect(lines.filter((line) => line.includes("\terror\tmissing-label\t"))).toHaveLength(15);
    expect(lines).toContain("mine.csv:36:10\terror\tmissing-label\tno label\t");
    expect(readFileSync(clean, "utf8").split("\n").at(-3)).toBe('"two');
    const again = await albert("datasets", "check", clean, ...task);
    expect(again.printed).toMatch(/^usable: 21 rows read, 21 accepted, 0 rejected/);
    expect(again.status).toBe(0);
    const kept = await albert("datasets", "check", path, ...task, "--write-clean", clean);
    expect(kept.error).toMatch(/clean\.csv exists/);
    const other = await albert("datasets", "check", path, ...task, "--write-clean", join(folder.path, "clean.txt"));
    expect(other.error).toMatch(/--write-clean: expected a name that ends in \.csv/);
  });

  it("writes rows of documents as JSON Lines that the same task reads", async () => {
    const context = "the cat sat on the mat";
    const qa = (id: number, start: number) => ({
      id,
      question: "who?",
      answers: [{ text: "cat", answer_start: start }],
    });
    const path = folder.write(
      "squad.json",
      JSON.stringify({ data: [{ paragraphs: [{ context, qas: [qa(1, 4), qa(2, 5)] }] }] }),
    );
    const clean = join(folder.path, "squad.jsonl");
    await albert("datasets", "check", path, "--task", "squad-v1", "--write-clean", clean);
    const { printed } = await albert("datasets", "check", clean, "--task", "squad-v1", "--json");
    expect(JSON.parse(printed)).toMatchObject({ read: 1, accepted: 1, usable: true, labels: { answerable: 1 } });
  });
});

describe("rows that cannot be used", () => {
  const train = (path: string, output: string, ...more: string[]) =>
    albert(
      ...["train", "--task", "classification", "--train", path, ...folder.start, "--eval-share", "0"],
      ...["--output", join(folder.path, output), "--max-seq-length", "16", "--plan", ...more],
    );

  it("stop a training run unless they may be left out, and are then told", async () => {
    const path = folder.write("some.csv", rows(98, "no label,", "neither,"));
    const refused = await train(path, "a");
    expect(refused.error).toMatch(/^2 of 100 rows cannot be used\nmissing-label, 2: /);
    expect(refused.error).toMatch(
      /--skip-invalid 0\.02 .*goes on without these rows;\nalbert datasets check names every one/,
    );
    expect((await train(path, "b", "--skip-invalid")).error).toMatch(
      /^2 of 100 rows \(2 %\), where at most 1 % may be, cannot be used/,
    );
    const planned = await train(path, "c", "--skip-invalid", "0.02");
    expect(planned.error).toBeUndefined();
    expect(planned.printed).toMatch(/^labels +bad 49, good 49$/m);
    expect(planned.printed).toMatch(/^warning: 2 of 100 rows \(2 %\) are left out$/m);
    expect(planned.printed).toMatch(/^warning: missing-label: 2, first at some\.csv:100:10 \(no label\): /m);
    expect(JSON.parse((await train(path, "d", "--skip-invalid", "0.02", "--json")).printed).labels).toEqual({
      bad: 49,
      good: 49,
    });
  });
});
