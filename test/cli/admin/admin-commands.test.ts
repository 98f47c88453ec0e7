import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { openEngine } from "../../../src/runtime/packed-engine.ts";
import { runAlbert, spawnAlbert } from "../../support/command-line.ts";
import { ALL_HEADS, writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { moodRows } from "../../support/mood-rows.ts";
import { type RunningServer, runServer } from "../../support/running-server.ts";

const base = mkdtempSync(join(tmpdir(), "albert-commands-"));
let server: RunningServer;
const admin = () => ["--admin", server.app.addresses.admin!];

beforeAll(async () => {
  const directory = await writeTinyModel(ALL_HEADS.slice(0, 1));
  mkdirSync(join(base, "checkpoints"));
  cpSync(await writeTinyModel(ALL_HEADS.slice(0, 1), 2), join(base, "checkpoints/other"), { recursive: true });
  writeFileSync(join(base, "rows.jsonl"), moodRows(120));
  writeFileSync(join(base, "wrong.jsonl"), `${moodRows(4)}{"text": "no label"}\nnot json\n`);
  writeFileSync(join(base, "windows.jsonl"), `\ufeff${moodRows(40).replaceAll("\n", "\r\n")}`);
  server = await runServer({
    models: [{ name: "m", directory }],
    config: {
      store: { directory: join(base, "store"), pollMs: 50, checkpointRoots: [join(base, "checkpoints")] },
      training: { datasetRoots: [base], threads: 1 },
      runtime: { device: "cpu" },
      feedback: { answers: 2 },
    },
    openEngine: (model) => openEngine(model, { threads: 1, calibrationMs: 0 }),
  });
}, 60_000);
afterAll(async () => {
  await server?.close();
  rmSync(base, { recursive: true, force: true });
});

const albert = (...args: string[]) => runAlbert(...args, ...admin());

const json = async (...args: string[]) => JSON.parse((await albert(...args, "--json")).out);
/** The cells of a table's rows, its heading included. */
const cells = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));

const RECIPE = ["--set", "train_step=30", "--set", "train_batch_size=16", "--set", "max_seq_length=16"];
const FINE_TUNE = ["--model", "m", "--task", "classification", "--train", "rows.jsonl", ...RECIPE];

describe("albert jobs", { timeout: 300_000 }, () => {
  it("plans a job, and says why another would be rejected", async () => {
    const planned = await albert("jobs", "plan", ...FINE_TUNE);
    expect(planned.status).toBe(0);
    expect(planned.out).toMatch(
      /^steps +30\ntokens +[\d,]+, \d+ % padding\nmemory +\d+ MB\ndisk +\d+ MB\ntime +about /m,
    );
    expect(cells(planned.out)).toContainEqual(["train_step", "30", "given"]);
    const windows = ["--train", "windows.jsonl", "--accept-windows-text"];
    expect((await albert("jobs", "plan", ...FINE_TUNE, ...windows)).status).toBe(0);
    const refused = await albert("jobs", "plan", ...FINE_TUNE, "--train", "wrong.jsonl");
    expect(refused.out).toMatch(/^! wrong\.jsonl:5/);
    expect(refused.status).toBe(1);
  });

  it("creates one, watches it to its end, and shows it", async () => {
    const created = await albert("jobs", "create", ...FINE_TUNE, "--label", "who=me", "--watch");
    const [id, state] = created.out.trim().split(/ +/);
    expect(state).toBe("queued");
    expect(created.err).toMatch(
      /^queued$[\s\S]*^running$[\s\S]*^step \d+\/30 {2}loss [\s\S]*^gate: \w+[^\n]*\n {2}\w[\s\S]*^succeeded$/m,
    );
    expect(created.status).toBe(0);

    const listed = cells((await albert("jobs", "list", "--model", "m", "--state", "succeeded")).out);
    expect(listed[0]).toEqual(["JOB", "STATE", "KIND", "MODEL", "TASK", "STEP", "RESULT"]);
    expect(listed[1]).toEqual([id, "succeeded", "fine-tune", "m", "classification", "30/30", "m@2"]);
    expect((await json("jobs", "list")).jobs).toHaveLength(1);

    const shown = (await albert("jobs", "get", id!)).out;
    expect(shown).toMatch(/^validating$[\s\S]*^succeeded$[\s\S]*^gate (pass|fail|inconclusive): eval_accuracy /m);
    expect((await json("jobs", "get", id!)).job).toMatchObject({ state: "JOB_STATE_SUCCEEDED", terminal: true });

    const events = (await albert("jobs", "watch", id!, "--after", "3", "--json")).out.trim().split("\n");
    expect(events.map((line) => JSON.parse(line).sequence)).toEqual(events.map((_, i) => i + 4));
  });

  it("keeps notes and tags of it, and writes its curves for other programs", async () => {
    const { id } = (await json("jobs", "list", "--state", "succeeded")).jobs[0];
    expect((await albert("jobs", "tag", id, "best", "for-release")).out).toBe(`${id}  best, for-release\n`);
    await albert("jobs", "note", id, "half", "the", "rate");
    expect((await albert("jobs", "note", id, "--append", "and done")).out).toBe(
      `${id}  best, for-release\nhalf the rate\nand done\n`,
    );
    expect((await albert("jobs", "get", id)).out).toMatch(
      /^tags: best, for-release\nnote: half the rate\n {6}and done$/m,
    );
    expect((await json("jobs", "list", "--tag", "best")).jobs).toHaveLength(1);
    expect((await json("jobs", "list", "--tag", "best", "worst")).jobs).toHaveLength(0);
    expect((await albert("jobs", "untag", id, "best")).out).toMatch(/^\S+ {2}for-release\n/);
    expect((await albert("jobs", "note", id, "--clear")).out).toBe(`${id}  for-release\n`);
    await expect(albert("jobs", "note", id, "text", "--clear")).rejects.toThrow(/--clear removes the note/);

    const table = (await albert("jobs", "export", id)).out.trimEnd().split("\n");
    expect(table[0]).toBe("run,model,curve,step,value,time");
    expect(table.slice(1).map((line) => line.split(",").slice(0, 4).join())).toContain(`${id},m,eval_accuracy,30`);
    const file = join(base, "curves.csv");
    expect((await albert("jobs", "export", id, "--csv", file)).err).toBe(`wrote ${file}\n`);
    expect(readFileSync(file, "utf8").trimEnd().split("\n")).toEqual(table);
    await expect(albert("jobs", "export", id, "--csv", file)).rejects.toThrow(/curves\.csv exists/);
    const runs = join(base, "runs");
    const { err } = await albert("jobs", "export", id, "--tensorboard", runs);
    const [event] = readdirSync(join(runs, `m-${id}`));
    expect(err).toBe(`wrote ${join(runs, `m-${id}`, event!)}\n`);
    expect(readFileSync(join(runs, `m-${id}`, event!), "latin1")).toMatch(/brain\.Event:2[\s\S]*eval_accuracy/);
  });

  it("steers one: pause, resume, cancel, clone", async () => {
    const { id } = await json("jobs", "create", ...FINE_TUNE, "--set", "train_step=100000", "--request-id", "long");
    expect((await json("jobs", "create", ...FINE_TUNE, "--set", "train_step=100000", "--request-id", "long")).id).toBe(
      id,
    );
    await reached(id, "running");
    expect((await albert("jobs", "pause", id)).out).toBe(`${id}  paused\n`);
    await expect(albert("jobs", "pause", id)).rejects.toMatchObject({ reason: "ILLEGAL_TRANSITION" });
    expect((await json("jobs", "resume", id)).state).toBe("queued");
    await reached(id, "running");
    for (let shown = ""; !/^now: training on cpu, fp32/m.test(shown); ) shown = (await albert("jobs", "get", id)).out;
    expect((await json("jobs", "cancel", id)).state).toBe("cancelling");
    expect((await albert("jobs", "watch", id)).status).toBe(1); // it did not succeed

    const { id: clone } = await json("jobs", "clone", id, "--set", "train_step=2", "--seed", "9", "--label", "of=it");
    expect((await albert("jobs", "watch", clone)).status).toBe(0);
    const { spec } = (await json("jobs", "get", clone)).job;
    expect(spec).toMatchObject({
      seed: "9",
      labels: { of: "it" },
      recipe: { train_step: "2", train_batch_size: "16" },
    });
  });

  it("refuses wrong specifications with every wrong field", async () => {
    const refused = albert("jobs", "create", "--model", "m", "--set", "learnin_rate=1", "--priority", "-1001");
    await expect(refused).rejects.toThrow(/spec\.task: .*spec\.train: .*spec\.priority: .*spec\.recipe\.learnin_rate/);
    const from = ["--train", "rows.jsonl", "--set", "random-init=nonsense"];
    const random = albert("jobs", "create", "--model", "m", "--kind", "pretrain", ...from);
    await expect(random).rejects.toThrow(/^spec\.recipe\.random_init: .*spec\.recipe\.vocabulary: /);
    expect(await albert("jobs", "list", "--state", "paused")).toMatchObject({
      out: "there are no such jobs\n",
      status: 0,
    });
  });

  async function reached(id: string, state: string): Promise<void> {
    const signal = AbortSignal.timeout(120_000);
    while ((await json("jobs", "list", "--state", state)).jobs?.every((job: { id: string }) => job.id !== id) ?? true) {
      signal.throwIfAborted();
    }
  }
});

describe("albert feedback", { timeout: 60_000 }, () => {
  it("lists answers, least sure first, takes what is said of them, and makes it a data set", async () => {
    expect((await albert("feedback", "list", "m")).out).toBe(
      "no answer of m waits to be judged\n0 wait here, 0 judged\n",
    );
    for (const text of ["good day", "bad test", "a third text"]) await server.client.classify({ text });
    const { answers, waiting, keeping } = await json("feedback", "list", "m");
    expect([waiting, keeping]).toEqual([2, true]);
    expect(answers[0].margin).toBeLessThanOrEqual(answers[1].margin);
    const [first, second] = answers;
    expect(cells((await albert("feedback", "list", "m", "--most", "1")).out).slice(0, 2)).toEqual([
      ["ANSWER", "LABEL", "SURE", "VERSION", "TEXT"],
      [first.id, first.label, expect.stringMatching(/^[\d.]+ %$/), first.version, first.text],
    ]);
    await expect(albert("feedback", "judge", "m", first.id)).rejects.toThrow("give the right label, or --skip");
    await expect(albert("feedback", "judge", "m", first.id, "nonsense")).rejects.toThrow(/is not a label of head/);
    const right = first.labels.find((label: string) => label !== first.label);
    expect((await albert("feedback", "judge", "m", first.id, right)).out).toBe(`${first.id}  ${right}\n`);
    await expect(albert("feedback", "judge", "m", first.id, right)).rejects.toMatchObject({
      reason: "ANSWER_NOT_FOUND",
    });
    expect((await albert("feedback", "judge", "m", second.id, "--skip")).out).toBe(`${second.id}  passed over\n`);
    expect((await albert("feedback", "list", "m")).out).toMatch(/^version \S+: 0 of 1 right, +0\.0 % \( *0\.0 % to /m);
    const stored = (await albert("feedback", "store", "m")).out;
    expect(stored).toMatch(/^[0-9a-f]{64} {2}feedback-m\.jsonl {2}1 rows\n$/);
    expect((await albert("datasets", "list")).out).toContain("feedback-m.jsonl");
    await albert("datasets", "delete", stored.slice(0, 64));
    expect((await albert("feedback", "delete", "m")).out).toBe("1 judged and 0 waiting answers removed\n");
    await expect(albert("feedback", "store", "m")).rejects.toMatchObject({ reason: "NOTHING_JUDGED" });
    await albert("models", "gc");
  });
});

describe("albert models", { timeout: 120_000 }, () => {
  it("imports a version, lets it answer, and goes back", async () => {
    const imported = await albert("models", "import", "m", "other");
    const version = /^m@(\d+)\n/.exec(imported.out)![1]!;
    await expect(albert("models", "promote", "m", version)).rejects.toThrow(/the gate of version \d+ of m never ran/);
    const override = ["--override", "--reason", "a test"];
    const promoted = await albert("models", "promote", "m", version, ...override);
    expect(promoted.out).toMatch(
      new RegExp(
        `^champion of m is version ${version} \\(generation 2\\)\nswapped in \\d+\\.\\d+ s, 0 failed requests\n$`,
      ),
    );
    const listed = cells((await albert("models", "list", "m")).out);
    expect(listed[0]).toEqual(["MODEL", "VERSION", "STATE", "ALIASES", "DIGEST", "METRICS"]);
    expect(listed.find(([, number]) => number === version)?.slice(1, 4)).toEqual([version, "serving", "champion"]);
    const brought = join(base, "brought");
    const got = await json("models", "download", `m@${version}`, "--output", brought);
    expect(got).toMatchObject({ model: "m", version: Number(version), files: readdirSync(brought).length });
    const same = await verifyModelDirectory(join(base, "checkpoints/other"));
    expect((await verifyModelDirectory(brought)).digest).toBe(same.digest);
    const again = albert("models", "download", "m", "--output", brought);
    await expect(again).rejects.toMatchObject({ reason: "DIRECTORY_EXISTS" });
    const stale = albert("models", "promote", "m", "1", ...override, "--expect", "1");
    await expect(stale).rejects.toMatchObject({ reason: "GENERATION_MISMATCH" });

    const shadow = await albert("models", "traffic", "m", "1", "--mode", "shadow", "--percent", "50");
    expect(shadow.out).toMatch(/^m\n( {2}\d+ \w+ \w*\n)+ {2}shadow 1 50 %: \d+ of \d+ differ\n$/);
    expect((await json("models", "traffic", "m", "--mode", "off")).model.trafficMode).toBe("TRAFFIC_MODE_OFF");
    const canary = ["models", "traffic", "m", "1", "--mode", "canary", "--percent", "12.5"];
    const limits = ["--alpha", "0.05", "--min-requests", "20", "--min-judged", "5", "--reason", "a try"];
    const judged = await albert(...canary, ...limits);
    expect(judged.out).toMatch(/ {2}canary 1 12\.5 %: 0 of 0 differ\n {2}judged undecided: 0 of 20 requests\n/);
    expect(judged.out).toMatch(
      / {2}failed {2}0 of 0 \(0\.0 to 100\.0 %\), champion 0 of 0 \(0\.0 to 100\.0 %\); doubt 0\.00\n/,
    );
    expect(judged.out).toMatch(/ {2}wrong {3}0 of 0 \(0\.0 to 100\.0 %\), champion 0 of 0 .*; doubt 0\.00\n/);
    const ratio = albert(...canary, "--wrong-ratio", "0.5");
    await expect(ratio).rejects.toThrow(/wrong-ratio/);
    const line = new RegExp(`\nm@1 is a canary of 12\\.5 % against version ${version}: a try\n {2}judged undecided`);
    expect((await albert("models", "list", "m")).out).toMatch(line);
    const late = albert(...canary, "--expect", "1");
    await expect(late).rejects.toMatchObject({ reason: "GENERATION_MISMATCH" });
    await expect(albert(...canary, "--decide", "promote")).rejects.toMatchObject({ reason: "GATE_FAILED" });
    const whole = albert("models", "traffic", "m", "1", "--mode", "canary", "--decide", "rollback", "--override");
    await expect(whole).rejects.toThrow(/^conditions\.decide: .*reason: /);
    await albert("models", "traffic", "m", "--mode", "off", "--reason", "enough");
    const history = (await albert("models", "get", "m", "1")).out.split("\n");
    expect(history.filter((told) => /Z canary of 12\.5 % (begun: a try|ended: enough)$/.test(told))).toHaveLength(2);
    expect((await albert("models", "rollback", "m", "--reason", "a test")).out).toMatch(/^champion of m is version 1 /);
    expect((await json("models", "get", "m")).version).toMatchObject({ version: 1, aliases: ["champion"] });
    expect((await albert("models", "get", "m", version)).out).toMatch(
      /^MODEL [\s\S]*the gate never ran\n[\s\S]*Z became champion: a test\n$/,
    );
  });

  it("lists nothing in a sentence, and refuses what is not there", async () => {
    expect((await albert("models", "list", "nobody")).out).toBe("there are no versions of nobody\n");
    await expect(albert("models", "get", "m", "99")).rejects.toMatchObject({ reason: "VERSION_NOT_FOUND" });
    await expect(albert("models", "get", "nobody")).rejects.toThrow("there is no model nobody");
    await expect(albert("models", "traffic", "m")).rejects.toThrow(/^version: name the challenger/);
    await expect(albert("models", "import", "m", "../checkpoints")).rejects.toThrow(/relative path of plain names/);
  });
});

describe("albert datasets", { timeout: 60_000 }, () => {
  it("uploads, registers, checks, lists and deletes", async () => {
    const uploaded = await json("datasets", "upload", join(base, "rows.jsonl"), "--name", "mine.jsonl");
    expect(uploaded).toMatchObject({ name: "mine.jsonl", digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const wrong = await json("datasets", "register", "wrong.jsonl");
    const checked = await albert("datasets", "validate", uploaded.digest, "--task", "classification", "--model", "m");
    expect(checked.out).toMatch(/^usable: 120 rows read, 120 accepted, 0 rejected\nLABEL +ROWS\n/);
    expect(checked.status).toBe(0);
    const refused = await albert("datasets", "validate", "wrong.jsonl", "--task", "classification");
    expect(refused.out).toMatch(
      /^not usable: 6 rows read, 4 accepted, 2 rejected[\s\S]*^bad-json: 1: .*\n {2}wrong\.jsonl:6:1$/m,
    );
    expect(refused.status).toBe(4);

    const validate = ["datasets", "validate", "windows.jsonl", "--task", "classification", "--model", "m"];
    expect((await albert(...validate)).out).toMatch(/^usable: 40 rows read, 40 accepted/); // its byte order mark is no fault
    expect((await albert(...validate, "--accept-windows-text")).out).toMatch(/^usable: 40 rows read, 40 accepted/);
    expect((await albert(...validate, "--set", "accept_windows_text=true")).status).toBe(0);
    const misspelt = albert(...validate, "--set", "accept_window_text=true");
    await expect(misspelt).rejects.toThrow(/^recipe\.accept_window_text: /);

    const listed = cells((await albert("datasets", "list")).out);
    expect(listed[0]).toEqual(["DIGEST", "BYTES", "NAME", "PATH"]);
    expect(listed.map(([digest]) => digest)).toEqual(expect.arrayContaining([uploaded.digest, wrong.digest]));
    expect((await albert("datasets", "delete", wrong.digest)).out).toBe(`${wrong.digest}  deleted\n`);
    expect(await json("datasets", "delete", uploaded.digest)).toEqual({});
    await expect(albert("datasets", "delete", wrong.digest)).rejects.toMatchObject({ reason: "DATASET_NOT_FOUND" });
    expect((await albert("models", "gc", "--dry-run")).out).toBe("would remove 1 file, 0.0 MB\n"); // the uploaded bytes
    expect(await json("models", "gc")).toMatchObject({ files: 1 });
    expect((await albert("models", "gc")).out).toBe("removed nothing\n");
    await expect(albert("datasets", "upload", join(base, "absent"))).rejects.toThrow(/cannot be read/);
    await expect(albert("datasets", "upload", base)).rejects.toThrow(/is no file/);
    writeFileSync(join(base, "empty.jsonl"), "");
    await expect(albert("datasets", "upload", join(base, "empty.jsonl"))).rejects.toThrow(/is empty/);
    const task = albert("datasets", "validate", "rows.jsonl", "--task", "poetry");
    await expect(task).rejects.toMatchObject({ violations: [{ field: "task" }] });
  });

  it("shows rows, and makes new data of old: mended, and split", async () => {
    const table = 'text,label\n"good, day",positive\nbad day,negative\n,negative\nlate,negativ\n';
    writeFileSync(join(base, "mend.csv"), `${table}${"good day,positive\nbad day,negative\n".repeat(10)}`);
    const { digest } = await json("datasets", "upload", join(base, "mend.csv"));
    const [of, task] = [digest.slice(0, 8), ["--task", "classification"]];
    const rows = (await albert("datasets", "rows", of, ...task, "--problem", "any")).out;
    expect(rows).toMatch(/^3 {2}.*label: negative\n {2}error: empty-text: .*\n1 of 1 rows\n$/);
    expect((await albert("datasets", "rows", of, "--offset", "23", "--most", "5")).out).toMatch(
      /^24 {2}.*\n1 of 24 rows\n$/,
    );
    const changes = ["--leave-out", "3,20-24", "--write", "1:text=fine day", "--rename-label", "negativ=negative"];
    const edited = await albert("datasets", "edit", of, ...task, ...changes);
    expect(edited.out).toMatch(/^[0-9a-f]{64} {2}mend-edited-[0-9a-f]{8}\.csv\n18 rows: 6 left out, 2 changed\n$/);
    const mended = edited.out.slice(0, 64);
    expect((await albert("datasets", "rows", mended, "--most", "3")).out).toMatch(
      /^1 {2}text: fine day .*\n.*\n3 {2}.*negative\n/,
    );
    const split = await albert("datasets", "split", mended, ...task, "--share", "0.25");
    expect(split.out).toMatch(
      /^[0-9a-f]{64} {2}mend-train-\w+\.csv {2}\d+ rows to train on\n[0-9a-f]{64} {2}mend-held-out-\w+\.csv {2}\d+ rows held out\n$/,
    );
    expect((await json("datasets", "split", mended, ...task, "--share", "0.25")).train.origin).toBe(mended);
    const wrong: readonly (readonly [string[], RegExp])[] = [
      [["--leave-out", "9-3"], /such as 3,7,12-20/],
      [["--write", "label=x"], /such as 11:label=billing/],
      [["--rename-label", "x="], /such as biling=billing/],
    ];
    for (const [flags, says] of wrong) {
      await expect(albert("datasets", "edit", of, ...task, ...flags)).rejects.toThrow(says);
    }
    await expect(albert("datasets", "edit", of, ...task, "--leave-out", "99")).rejects.toMatchObject({
      violations: [expect.objectContaining({ field: expect.stringContaining("leave_out") })],
    });
    const deleted = [...split.out.matchAll(/^[0-9a-f]{64}/gm)].map(([whole]) => whole);
    for (const one of [...deleted, mended, digest]) await albert("datasets", "delete", one);
    await albert("models", "gc");
  });

  it("judges data as the job would: beside a head of another name it makes a new one for other labels", async () => {
    writeFileSync(join(base, "topics.jsonl"), moodRows(40).replaceAll("positive", "sport"));
    const data = ["--task", "classification", "--model", "m"];
    const validated = await albert("datasets", "validate", "topics.jsonl", ...data);
    expect(validated.out).toMatch(/^usable: 40 rows read/);
    const plan = await albert("jobs", "plan", ...data, "--train", "topics.jsonl");
    expect(plan.status).toBe(0);
  });
});

describe("the program itself", { timeout: 120_000 }, () => {
  const process_ = (...args: string[]) => spawnAlbert(args);

  it("ends with 0 and a table, or with a status for what is wrong and one line that says what to do", async () => {
    const [listed, absent, nobody, misspelt] = await Promise.all([
      process_("models", "list", ...admin()),
      process_("jobs", "get", "none", ...admin()),
      process_("jobs", "list", "--admin", "127.0.0.1:1"),
      process_("models", "promote", "m", "first", ...admin()),
    ]);
    expect(listed).toMatchObject({ status: 0, err: "", out: expect.stringMatching(/^MODEL +VERSION/) });
    expect(absent).toEqual({ status: 3, out: "", err: "albert: there is no job of this id\n" });
    expect(nobody.status).toBe(5);
    expect(nobody.err).toMatch(
      /^albert: no server answers administrators at 127\.0\.0\.1:1: start a server with --store/,
    );
    expect(misspelt.status).toBe(2);
    expect(misspelt.err).toMatch(/^error: .*'first' is invalid for argument 'version'\. expected a whole number/);
  });
});

describe("the tutorial", { timeout: 300_000 }, () => {
  it("goes from a table to a version that is corrected, taught again, promoted and rolled back", async () => {
    const page = readFileSync(join(import.meta.dirname, "../../../docs/tutorial.md"), "utf8");
    const commands = [...page.matchAll(/^ {4}bin\/albert (.+)$/gm)].map(([, command]) => command!);
    expect(commands).toHaveLength(13);
    writeFileSync(join(base, "tickets.jsonl"), moodRows(60));
    const meant: Record<string, string> = {
      "tickets.csv": join(base, "tickets.jsonl"),
      "sentence-encoder/champion": "m/champion",
      "127.0.0.1:50051": server.address,
    };
    for (const command of commands) {
      const words = command.match(/"[^"]*"|\S+/g)!.map((word) => meant[word] ?? word.replaceAll('"', ""));
      const isLocal = /^(datasets check|classify)\b/.test(command);
      const { out, status } = isLocal ? await runAlbert(...words) : await albert(...words);
      expect(status, command).toBe(0);
      if (command.startsWith("datasets upload")) meant["DIGEST"] = /[0-9a-f]{64}/.exec(out)![0];
      if (command.startsWith("feedback store")) meant["CORRECTIONS"] = out.slice(0, 64);
      if (command.startsWith("feedback list")) {
        const [first] = (await json("feedback", "list", "tickets")).answers;
        [meant["ANSWER"], meant["LABEL"]] = [first.id, first.labels[0]];
      }
    }
    const champion = (await json("models", "list", "tickets")).aliases.find(
      ({ name }: { name: string }) => name === "champion",
    );
    expect(champion).toMatchObject({ version: 1 });
  });
});
