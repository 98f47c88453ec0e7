import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { DirectoryLock, type LockHolder } from "../../../src/jobs/lock/directory-lock.ts";
import { openJobService } from "../../../src/jobs/open-job-service.ts";
import { decodeRecord, encodeRecord } from "../../../src/model/formats/records.ts";
import { bootId, processTable, startOf } from "../../../src/platform/process-identity.ts";
import { ManualRunner, RecordingPublisher, specOf, until } from "../fake-runner.ts";

/** Runs right before a number is taken, once. */
let beforeLink = () => {};
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  return {
    ...real,
    link: async (from: string, to: string) => {
      const run = beforeLink;
      beforeLink = () => {};
      run();
      await real.link(from, to);
    },
  };
});

const root = mkdtempSync(join(tmpdir(), "albert-lock-"));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(root, { recursive: true, force: true });
});
let made = 0;
const newPlace = () => join(root, `${made++}.lock`);

/** Short ones, for holders whose process cannot be looked at. */
const TIMES = { heartbeatMs: 20, leaseTimeoutMs: 200 };
const LOCKED = { code: "precondition", reason: "JOBS_LOCKED" };

/** A lock as some process left it, under the first number. @returns its file */
function leave(place: string, varied: Partial<LockHolder> = {}): string {
  const holder: LockHolder = {
    token: "t",
    host: hostname(),
    pid: process.pid,
    table: processTable(),
    sinceMs: 0,
    ...varied,
  };
  mkdirSync(place);
  writeFileSync(join(place, "000001"), JSON.stringify(holder));
  return join(place, "000001");
}

/** Lets a holder's file say something else. */
function rewrite(file: string, change: Partial<LockHolder>): void {
  const holder = decodeRecord<LockHolder>(readFileSync(file), "the lock");
  writeFileSync(file, encodeRecord({ ...holder, ...change }));
}

/** A process that takes a lock when it is asked to. */
async function startLocker(place: string) {
  const child = spawn(process.execPath, ["--import", "tsx", join(import.meta.dirname, "locking-process.ts"), place], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  await once(child.stdout!, "data");
  return {
    pid: child.pid!,
    async take(): Promise<string> {
      child.stdin!.write("take\n");
      const [answer] = await once(child.stdout!, "data");
      return String(answer).trim();
    },
    async kill(): Promise<void> {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

describe("a lock between processes", () => {
  it("keeps another out while its process lives, is taken over at once after a kill, and by one process of many", async () => {
    const place = newPlace();
    const [first, ...others] = await Promise.all(Array.from({ length: 4 }, () => startLocker(place)));
    expect(await first!.take()).toBe("taken");
    expect(await others[0]!.take()).toBe("JOBS_LOCKED");
    const refused = DirectoryLock.take(place);
    await expect(refused).rejects.toMatchObject({
      ...LOCKED,
      message: expect.stringContaining(`process ${first!.pid} on ${hostname()}`),
      metadata: { host: hostname(), pid: String(first!.pid) },
    });
    await first!.kill();
    const outcomes = await Promise.all(others.map((other) => other.take()));
    expect(outcomes.sort()).toEqual(["JOBS_LOCKED", "JOBS_LOCKED", "taken"]);
    expect(readdirSync(place).filter((name) => !name.endsWith(".life"))).toEqual(["000002"]);
  });

  it("tells whether its holder before was told to end, however it then ended", async () => {
    const [killed, told] = [newPlace(), newPlace()];
    const dead = { pid: 2 ** 22 + 1 };
    leave(killed, dead);
    writeFileSync(`${leave(told, dead)}.ending`, "");
    const after = async (place: string) => {
      const lock = await DirectoryLock.take(place);
      await lock.announceEnd();
      expect(readdirSync(place)).toContain("000002.ending");
      await lock.release();
      return lock.afterOrderlyEnd;
    };
    expect([await after(killed), await after(told)]).toEqual([false, true]);
    const next = await DirectoryLock.take(told);
    expect(next.afterOrderlyEnd).toBe(true);
    expect(readdirSync(told).filter((name) => name.includes("ending"))).toEqual([]);
    await next.release();
  });

  it("is taken by one of many in a process, again and again", async () => {
    const place = newPlace();
    for (let round = 0; round < 30; round++) {
      const taken = await Promise.allSettled(Array.from({ length: 6 }, () => DirectoryLock.take(place)));
      const winners = taken.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
      for (const outcome of taken) if (outcome.status === "rejected") expect(outcome.reason).toMatchObject(LOCKED);
      expect(winners.length).toBe(1);
      await winners[0]!.checkFencing();
      await winners[0]!.release();
    }
    expect(readdirSync(place)).toEqual(["000030.free"]);
  });

  it("is not taken under a number that others have left behind meanwhile", async () => {
    const place = newPlace();
    const file = leave(place, { pid: 2 ** 22 + 1 }); // no system has so high a number
    const alive = { token: "u", host: hostname(), pid: process.ppid, table: processTable(), sinceMs: 0 };
    beforeLink = () => {
      writeFileSync(join(place, "000003"), JSON.stringify(alive));
      rmSync(file);
    };
    await expect(DirectoryLock.take(place)).rejects.toThrow(`process ${process.ppid} `);
    expect(readdirSync(place)).toEqual(["000003"]);
  });

  it("is refused to one whose file the winner tidied away before it had its number", async () => {
    const place = newPlace();
    leave(place, { pid: 2 ** 22 + 1 });
    const winner = { token: "u", host: hostname(), pid: process.ppid, table: processTable(), sinceMs: 0 };
    beforeLink = () => {
      for (const name of readdirSync(place)) rmSync(join(place, name));
      writeFileSync(join(place, "000002"), JSON.stringify(winner));
    };
    await expect(DirectoryLock.take(place)).rejects.toMatchObject(LOCKED);
    expect(readdirSync(place)).toEqual(["000002"]);
  });

  it("of a dead process is not kept by a later process with the same number", async () => {
    const began = startOf(process.pid);
    const place = newPlace();
    leave(place, began === undefined ? {} : { began: `${Number(began) - 1}` });
    const lock = await DirectoryLock.take(place);
    await expect(DirectoryLock.take(place)).rejects.toMatchObject(LOCKED);
    await lock.release();
  });

  it("that a loss of power has damaged is taken when nobody gives a sign of life", async () => {
    const place = newPlace();
    writeFileSync(leave(place), "");
    await (await DirectoryLock.take(place, { times: TIMES })).release();
  });

  it("is not taken from a process that lives, whatever byte of its file is damaged", async () => {
    const place = newPlace();
    const lock = await DirectoryLock.take(place, { times: TIMES });
    const file = join(place, "000001");
    const sound = readFileSync(file);
    const times = { ...TIMES, leaseTimeoutMs: 30_000 }; // of a machine that is busy
    for (let at = 0; at < sound.length; at += 7) {
      const damaged = Buffer.from(sound);
      damaged[at]! ^= 1;
      writeFileSync(file, damaged);
      await expect(DirectoryLock.take(place, { times }), `byte ${at}`).rejects.toMatchObject(LOCKED);
    }
    await lock.release();
  });

  it.skipIf(bootId() === undefined)(
    "of another container on this machine is taken over at once after a kill, and not before",
    async () => {
      const place = newPlace();
      const holder = await startLocker(place);
      expect(await holder.take()).toBe("taken");
      const file = join(place, "000001");
      // As if its process had another table: its number says nothing here.
      rewrite(file, { table: "another", pid: process.ppid });
      const onWait = vi.fn();
      const times = { heartbeatMs: 20, leaseTimeoutMs: 60_000 };
      await expect(DirectoryLock.take(place, { times, onWait })).rejects.toMatchObject(LOCKED);
      await holder.kill();
      const lock = await DirectoryLock.take(place, { times, onWait });
      expect(onWait).not.toHaveBeenCalled();
      expect(readdirSync(place).filter((name) => name.endsWith(".life"))).toHaveLength(1);
      await lock.release();
      expect(readdirSync(place)).toEqual(["000002.free"]);
    },
  );

  it.skipIf(bootId() === undefined)(
    "waits for a sign of life where the holder's socket is seen through another file system, or under another kernel",
    async () => {
      for (const change of [{ inode: "1" }, { device: "1" }, { boot: "another" }]) {
        const place = newPlace();
        const holder = await startLocker(place);
        expect(await holder.take()).toBe("taken");
        const file = join(place, "000001");
        rewrite(file, { table: "another", life: { ...JSON.parse(readFileSync(file, "utf8")).life, ...change } });
        await holder.kill();
        const onWait = vi.fn();
        await (await DirectoryLock.take(place, { times: TIMES, onWait })).release();
        expect(onWait).toHaveBeenCalledOnce();
      }
    },
  );

  it.skipIf(bootId() === undefined)("has a socket however long the path of its directory is", async () => {
    const place = join(newPlace(), "directory".repeat(20));
    const lock = await DirectoryLock.take(place);
    expect(JSON.parse(readFileSync(join(place, "000001"), "utf8")).life).toBeDefined();
    await lock.release();
  });

  it("of another host keeps others out for as long as it gives signs of life", async () => {
    const place = newPlace();
    const file = leave(place, { table: "another", host: "far.example", pid: 7 });
    let beats = 1;
    const heart = setInterval(() => utimesSync(file, beats, beats++), TIMES.heartbeatMs);
    const onWait = vi.fn();
    const refused = DirectoryLock.take(place, { times: { ...TIMES, leaseTimeoutMs: 10_000 }, onWait });
    await expect(refused).rejects.toThrow("process 7 on far.example");
    expect(onWait).toHaveBeenCalledOnce();
    clearInterval(heart);
    const lock = await DirectoryLock.take(place, { times: TIMES });
    expect(JSON.parse(readFileSync(join(place, "000002"), "utf8"))).toMatchObject({ pid: process.pid });
    await lock.release();
  });

  it("gives signs of life by itself", async () => {
    const place = newPlace();
    const lock = await DirectoryLock.take(place, { times: TIMES });
    const file = join(place, "000001");
    rewrite(file, { table: "another" });
    await expect(DirectoryLock.take(place, { times: { ...TIMES, leaseTimeoutMs: 10_000 } })).rejects.toMatchObject(
      LOCKED,
    );
    await lock.checkFencing();
    await lock.release();
  });

  it("is not believed by a holder that was suspended until another took it: its fencing check asks the disk", async () => {
    const place = newPlace();
    const onLost = vi.fn();
    // No sign of life falls due during the test, as none does in a process that is stopped.
    const lock = await DirectoryLock.take(place, { times: { heartbeatMs: 600_000, leaseTimeoutMs: 1000 }, onLost });
    await lock.checkFencing();
    writeFileSync(join(place, "000002"), "{}"); // as another host does after the lease has timed out
    const now = Date.now();
    const clock = vi.spyOn(Date, "now").mockImplementation(() => now + 1001);
    try {
      await expect(lock.checkFencing()).rejects.toMatchObject(LOCKED);
      expect(onLost).toHaveBeenCalledOnce();
      clock.mockImplementation(() => now); // also when the clock was set back meanwhile
      await expect(lock.checkFencing()).rejects.toMatchObject(LOCKED);
    } finally {
      clock.mockRestore();
    }
    await lock.release();
    expect(
      readdirSync(place)
        .filter((name) => !name.endsWith(".life"))
        .sort(),
    ).toEqual(["000001", "000002"]);
  });
});

describe("the jobs of a directory", () => {
  const open = (directory: string, onLost?: (error: unknown) => void) => {
    const runner = new ManualRunner();
    const defects: unknown[] = [];
    return openJobService({
      directory,
      runner,
      publisher: new RecordingPublisher(),
      checkSpec: () => {},
      onDefect: (error) => defects.push(error),
      lock: { times: TIMES, ...(onLost === undefined ? {} : { onLost }) },
    }).then((service) => ({ service, runner, defects }));
  };

  it("are opened by one service, and by the next when it has closed", async () => {
    const directory = join(root, `${made++}`);
    const { service } = await open(directory);
    const { job } = await service.create("", specOf());
    await service.cancel(job.id);
    const log = () => readFileSync(join(directory, job.id, "events.log"), "utf8");
    const before = log();
    await expect(open(directory)).rejects.toMatchObject(LOCKED);
    expect(log()).toBe(before);
  });

  it("are left alone by a service that was suspended until another had taken them", async () => {
    const directory = join(root, `${made++}`);
    const onLost = vi.fn();
    const { service, runner, defects } = await open(directory, onLost);
    const { job } = await service.create("", specOf());
    const log = () => readFileSync(join(directory, job.id, "events.log"), "utf8");
    await until(() => service.get(job.id).state.kind === "validating", "at work");
    writeFileSync(join(`${directory}.lock`, "000002"), "{}"); // as another host does after a long silence
    await until(() => onLost.mock.calls.length > 0, "lost");
    const before = log();
    expect(runner.current.stopped).toBe(true);
    runner.current.finish({ kind: "finished", metrics: {}, modelDirectory: "/model" });
    await expect(service.create("", specOf())).rejects.toMatchObject(LOCKED);
    await expect(service.cancel(job.id)).rejects.toMatchObject(LOCKED);
    await service.close();
    expect(log()).toBe(before);
    expect(defects).toEqual([]);
    expect(readdirSync(`${directory}.lock`).sort()).toEqual(["000001", "000002"]);
  });
});
