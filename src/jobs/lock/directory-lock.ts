import { randomUUID } from "node:crypto";
import { link, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { AlbertError } from "../../errors.ts";
import { decodeRecord, encodeRecord, isDamagedRecord } from "../../model/formats/records.ts";
import { makeDirectory } from "../../platform/directories.ts";
import { isAlive, processTable, startOf } from "../../platform/process-identity.ts";
import { beginMeasuring } from "../../platform/waiting/clock.ts";
import { isListening, LivenessSocket, type SocketIdentity } from "./liveness-socket.ts";

// A lock on a directory between processes, taken over at once when its holder was killed. It knows nothing of jobs.

/** The process that a lock belongs to, as the lock's file tells it. */
export interface LockHolder {
  /** Different each time a lock is taken. */
  readonly token: string;
  readonly host: string;
  readonly pid: number;
  /** In which table `pid` means this process. */
  readonly table: string;
  /** When the process began, where its system tells. */
  readonly began?: string;
  /** Where it listens while it lives, under the name `<token>.life`. */
  readonly life?: SocketIdentity;
  /** When it took the lock, in milliseconds since 1970. */
  readonly sinceMs: number;
}

/** How a holder proves that it is alive to processes that cannot inspect it. */
export interface LockTimes {
  /** Between two signs of life. */
  readonly heartbeatMs: number;
  /** A holder without a sign for this long is taken for dead. */
  readonly leaseTimeoutMs: number;
}

export interface LockOptions {
  /** Called once before waiting for a sign of life, which takes at most `leaseTimeoutMs`. */
  readonly onWait?: (holder: LockHolder | undefined) => void;
  /** Called when another process has taken the lock from this one, which was silent for too long. */
  readonly onLost?: (error: AlbertError) => void;
  readonly times?: LockTimes;
}

const TIMES: LockTimes = { heartbeatMs: 2000, leaseTimeoutMs: 10_000 };
/** Looks for a sign of life during one heartbeat. */
const LOOKS_PER_HEARTBEAT = 5;
const NUMBERED = /^\d+(\.free)?$/;
const TEMPORARY = /^\.[0-9a-f-]{36}$|^[0-9a-f-]{36}\.life$|^\d+\.ending$/;
/** Locks of this process. */
const HELD = new Set<string>();

/**
 * A lock between processes that share a file system, as a directory of numbered files:
 *
 *     <number>        the holder, when no number is higher; its time of change is the last sign of life
 *     <number>.free   the holder has released the lock
 *     <number>.ending the holder was told to end; a link, which needs no room on a full disk
 *     .<token>        a file that is about to get its number
 *     <token>.life    a socket on which the holder listens while it lives
 *
 * The lock is taken with the next number by `link`, which fails when another process was first, so that of many that want
 * a lock exactly one gets it; it then removes all lower numbers. Numbers never go down, so a process that looked too early
 * and takes a number that was removed since finds a higher one, and gives way.
 *
 * A holder whose process can be inspected is dead when its process is, and one in another container of the same machine when
 * no process listens on its socket: a lock left by a kill is taken over at once. For a holder on another host signs of life decide,
 * measured by the clock of the waiting process alone.
 */
export class DirectoryLock {
  /** Whether the holder before was told to end: it was not killed at whatever it did. */
  readonly afterOrderlyEnd: boolean;
  readonly #directory: string;
  readonly #number: number;
  readonly #token: string;
  readonly #life: LivenessSocket | undefined;
  readonly #options: LockOptions;
  readonly #times: LockTimes;
  readonly #timer: NodeJS.Timeout;
  #silentMs = beginMeasuring();
  #lost: AlbertError | undefined;
  #released = false;

  private constructor(
    directory: string,
    number: number,
    token: string,
    life: LivenessSocket | undefined,
    options: LockOptions,
    afterOrderlyEnd: boolean,
  ) {
    this.afterOrderlyEnd = afterOrderlyEnd;
    this.#directory = directory;
    this.#number = number;
    this.#token = token;
    this.#life = life;
    this.#options = options;
    this.#times = options.times ?? TIMES;
    // A disk that fails now may work at the next sign; a writer gets its error.
    this.#timer = setInterval(() => this.#giveSign().catch(() => {}), this.#times.heartbeatMs).unref();
    HELD.add(token);
  }

  /**
   * Takes the lock that a directory stands for, which is made when it does not exist.
   *
   * @throws AlbertError precondition (JOBS_LOCKED) naming the process that holds it
   */
  static async take(directory: string, options: LockOptions = {}): Promise<DirectoryLock> {
    await makeDirectory(directory);
    const times = options.times ?? TIMES;
    const token = randomUUID();
    for (;;) {
      const { number, free, ending } = latestOf(await readdir(directory));
      if (number > 0 && !free) {
        const path = join(directory, nameOf(number));
        const holder = await readHolder(path);
        if (holder === "gone") continue;
        const state = await watchHolder(directory, path, holder, times, options.onWait);
        if (state === "alive") throw locked(holder);
        if (state === "gone") continue;
      }
      const life = await LivenessSocket.open(directory, lifeName(token));
      if (await takeNumber(directory, number + 1, token, life)) {
        return new DirectoryLock(directory, number + 1, token, life, options, free || ending);
      }
      await life?.close();
    }
  }

  /**
   * Makes sure that the lock is still this process's: to be called before every write that the lock protects.
   *
   * @throws AlbertError precondition (JOBS_LOCKED) when another process has taken it
   */
  async checkFencing(): Promise<void> {
    // Others wait for longer than this before they take it.
    if (this.#silentMs() > this.#times.leaseTimeoutMs / 2) await this.#giveSign();
    if (this.#lost !== undefined) throw this.#lost;
  }

  /** Tells the next holder that this one was told to end, however it then ends. */
  async announceEnd(): Promise<void> {
    const path = this.#path();
    // Whoever does not learn of it takes an end that was forced for a kill.
    if (!this.#released && this.#lost === undefined) await link(path, `${path}.ending`).catch(() => {});
  }

  /** Lets others take the lock. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    clearInterval(this.#timer);
    const path = this.#path();
    if (this.#lost === undefined) await rename(path, `${path}.free`).catch(absent);
    await this.#life?.close();
    HELD.delete(this.#token);
  }

  async #giveSign(): Promise<void> {
    const { number } = latestOf((await readdir(this.#directory).catch(absent)) ?? []);
    const silentMs = beginMeasuring();
    const now = new Date();
    const given = number === this.#number && (await utimes(this.#path(), now, now).then(() => true, absent));
    if (this.#released || this.#lost !== undefined) return;
    if (given) {
      this.#silentMs = silentMs;
      return;
    }
    clearInterval(this.#timer);
    HELD.delete(this.#token);
    this.#lost = locked(undefined);
    this.#options.onLost?.(this.#lost);
  }

  #path(): string {
    return join(this.#directory, nameOf(this.#number));
  }
}

/** @returns whether the number is this process's, and the highest */
async function takeNumber(
  directory: string,
  number: number,
  token: string,
  life: LivenessSocket | undefined,
): Promise<boolean> {
  const began = startOf(process.pid);
  const holder: LockHolder = {
    token,
    host: hostname(),
    pid: process.pid,
    table: processTable(),
    ...(began === undefined ? {} : { began }),
    ...(life === undefined ? {} : { life: life.place }),
    sinceMs: Date.now(),
  };
  const temporary = join(directory, `.${token}`);
  const path = join(directory, nameOf(number));
  try {
    await writeFile(temporary, encodeRecord(holder));
    await link(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" || code === "ENOENT") return false; // another was first, and may have tidied up already
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  const names = await readdir(directory);
  const others = names.filter((name) => name !== nameOf(number));
  if (others.length === names.length) return false;
  if (latestOf(others).number >= number) {
    await rm(path, { force: true });
    return false;
  }
  for (const name of others) {
    const other = NUMBERED.test(name) || TEMPORARY.test(name);
    if (other && name !== lifeName(token)) await rm(join(directory, name), { force: true });
  }
  return true;
}

/** Whether a holder is alive; `gone` when its file has disappeared, so that the caller looks again. */
async function watchHolder(
  directory: string,
  path: string,
  holder: LockHolder | undefined,
  { heartbeatMs, leaseTimeoutMs }: LockTimes,
  onWait: LockOptions["onWait"],
): Promise<"alive" | "dead" | "gone"> {
  if (holder?.table === processTable()) return isRunning(holder) ? "alive" : "dead";
  if (holder?.life !== undefined) {
    const listening = await isListening(directory, lifeName(holder.token), holder.life);
    if (listening !== undefined) return listening ? "alive" : "dead";
  }
  onWait?.(holder);
  const sign = await lastSign(path);
  for (const began = performance.now(); performance.now() - began < leaseTimeoutMs; ) {
    await wait(heartbeatMs / LOOKS_PER_HEARTBEAT);
    const now = await lastSign(path);
    if (now === undefined) return "gone";
    if (now !== sign) return "alive";
  }
  return "dead";
}

function isRunning({ pid, began, token }: LockHolder): boolean {
  if (!isAlive(pid)) return false;
  const start = startOf(pid);
  if (began !== undefined && start !== undefined) return began === start;
  return pid !== process.pid || HELD.has(token);
}

async function lastSign(path: string): Promise<number | undefined> {
  return (await stat(path).catch(absent))?.mtimeMs;
}

/** Undefined for a damaged file: only signs of life tell then. */
async function readHolder(path: string): Promise<LockHolder | undefined | "gone"> {
  const bytes = await readFile(path).catch(absent);
  if (bytes === undefined) return "gone";
  try {
    return decodeRecord<LockHolder>(bytes, "the file of a lock");
  } catch (error) {
    if (!isDamagedRecord(error)) throw error;
    return undefined;
  }
}

/** The highest number; 0 when there is none. */
function latestOf(names: readonly string[]): {
  readonly number: number;
  readonly free: boolean;
  readonly ending: boolean;
} {
  const numbered = names.filter((name) => NUMBERED.test(name));
  const number = Math.max(0, ...numbered.map((name) => Number.parseInt(name, 10)));
  const name = nameOf(number);
  return { number, free: numbered.includes(`${name}.free`), ending: names.includes(`${name}.ending`) };
}

function lifeName(token: string): string {
  return `${token}.life`;
}

function nameOf(number: number): string {
  return String(number).padStart(6, "0");
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

function locked(holder: LockHolder | undefined): AlbertError {
  const who =
    holder === undefined
      ? "another server"
      : `process ${holder.pid} on ${holder.host}, since ${new Date(holder.sinceMs).toISOString()}`;
  return new AlbertError(
    "precondition",
    `the jobs of this directory are in the hands of ${who}: stop that server, or give this one a training.directory of its own, or server.role inference if it need not train`,
    {
      reason: "JOBS_LOCKED",
      metadata: holder === undefined ? {} : { host: holder.host, pid: String(holder.pid) },
    },
  );
}
