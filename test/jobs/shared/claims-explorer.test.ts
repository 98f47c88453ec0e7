import { describe, expect, it } from "vitest";
import { applyEvent, type Job, newJob } from "../../../src/jobs/job.ts";
import type { NewJobEvent } from "../../../src/jobs/job-event.ts";
import { isTerminal, type JobTransition } from "../../../src/jobs/job-state.ts";
import { stateChange } from "../../../src/jobs/log/job-record.ts";
import { claimEvents, holds, releaseEvents, requeueEvents, wasTaken } from "../../../src/jobs/shared/claims.ts";
import { specOf } from "../fake-runner.ts";

// Explores every state that servers which share a job can come into, with the rules that the program uses: each server looks, decides,
// and writes, and between any two of these anything may happen to it, to its messages and to its clock.

/** Checkpoints of a whole run. */
const STEPS = 2;

/** What may go wrong, how often. */
interface Budget {
  /** A server ends and begins anew; what it sent may still arrive. */
  readonly crashes: number;
  /** A server takes another for gone that is not: a pause, a slow store, clocks that differ, lost signs of life. */
  readonly misjudgements: number;
  /** A write succeeds and its answer is lost. */
  readonly lostAnswers: number;
  /** A write is lost. */
  readonly lostWrites: number;
  /** A person cancels. */
  readonly cancels: number;
  /** A person asks for a pause, and resumes. */
  readonly pauses: number;
}

/** A write on its way to the store. `piece` names its events in the table of all pieces. */
interface Message {
  readonly number: number;
  readonly piece: number;
}

interface Server {
  /** Pieces of the log that it has read. */
  readonly read: number;
  /** Of the claim that it believes to have; 0 for none. */
  readonly generation: number;
  readonly sent: Message | undefined;
  /** It has published what its run made, or found it published. */
  readonly published: boolean;
}

interface State {
  readonly log: readonly number[];
  readonly servers: readonly Server[];
  /** Writes of servers that have ended. */
  readonly orphans: readonly Message[];
  /** Generations under which a version was published. */
  readonly versions: readonly number[];
  readonly left: Budget;
}

const IDLE: Server = { read: 0, generation: 0, sent: undefined, published: false };

class Explorer {
  readonly #pieces: { readonly by: string; readonly generation: number; readonly events: readonly NewJobEvent[] }[] =
    [];
  readonly #pieceIds = new Map<string, number>();
  readonly #jobs = new Map<string, Job>();
  /** The states that were found, numbered. */
  readonly #numbers = new Map<string, number>();
  /** The states after each of them. */
  readonly after: number[][] = [];
  readonly #ended: number[] = [];
  readonly generations = new Set<number>();

  constructor(servers: number, left: Budget) {
    this.#explore({ log: [], servers: Array.from({ length: servers }, () => IDLE), orphans: [], versions: [], left });
  }

  #explore(first: State): void {
    const waiting: [State, number][] = [[first, this.#numberOf(first)]];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [state, number] = next;
      if (isTerminal(this.#job(state.log).state)) this.#ended.push(number);
      for (const following of this.#steps(state)) {
        const known = this.after.length;
        const at = this.#numberOf(following);
        this.after[number]!.push(at);
        if (at < known) continue;
        this.#check(following);
        waiting.push([following, at]);
      }
    }
  }

  #numberOf(state: State): number {
    const { log, servers, orphans, versions, left } = state;
    const of = ({ number, piece }: Message) => `${number}:${piece}`;
    const ofServers = servers.map(
      ({ read, generation, sent, published }) =>
        `${read},${generation},${sent === undefined ? "" : of(sent)},${published ? 1 : 0}`,
    );
    const key = [
      log.join(),
      ...ofServers,
      orphans.map(of).sort().join(),
      versions.join(),
      Object.values(left).join(),
    ].join("/");
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.after.length);
    return this.after.push([]) - 1;
  }

  /** How many states there are from which the job can never end. */
  stuck(): number {
    const before: number[][] = this.after.map(() => []);
    for (const [state, following] of this.after.entries()) for (const next of following) before[next]!.push(state);
    const ends = new Set(this.#ended);
    const waiting = [...ends];
    for (let state = waiting.pop(); state !== undefined; state = waiting.pop()) {
      for (const earlier of before[state]!) {
        if (ends.has(earlier)) continue;
        ends.add(earlier);
        waiting.push(earlier);
      }
    }
    return this.after.length - ends.size;
  }

  /** The job after the first pieces of a log. */
  #job(log: readonly number[]): Job {
    const key = log.join(",");
    const known = this.#jobs.get(key);
    if (known !== undefined) return known;
    const job =
      log.length === 0
        ? newJob({ id: "job", requestId: "", spec: specOf(), specDigest: "", createdMs: 0 })
        : this.#pieces[log.at(-1)!]!.events.reduce(
            (folded, event) => applyEvent(folded, { ...event, sequence: folded.lastSequence + 1, timeMs: 0 }),
            this.#job(log.slice(0, -1)),
          );
    this.#jobs.set(key, job);
    return job;
  }

  #steps(state: State): State[] {
    const found: State[] = [];
    const { log, servers, orphans, left } = state;
    const spend = (what: keyof Budget): Budget => ({ ...left, [what]: left[what] - 1 });
    const withServer = (i: number, changed: Partial<Server>, more: Partial<State> = {}): State => ({
      ...state,
      servers: servers.map((server, k) => (k === i ? { ...server, ...changed } : server)),
      ...more,
    });

    for (const [i, server] of servers.entries()) {
      const view = this.#job(log.slice(0, server.read));
      if (server.sent === undefined) {
        // It looks; what it finds may tell it that its claim is gone.
        if (server.read < log.length) {
          const found_ = this.#job(log);
          const taken =
            server.generation > 0 && wasTaken(found_, { trainer: nameOf(i), generation: server.generation });
          found.push(withServer(i, { read: log.length, ...(taken ? GAVE_UP : {}) }));
        }
        for (const { decided, budget = left } of this.#decisions(view, i, server, state)) {
          const piece = this.#piece(nameOf(i), server.generation, decided);
          found.push(withServer(i, { sent: { number: server.read + 1, piece } }, { left: budget }));
        }
        // Its run goes on, whatever happens to the log.
        if (server.generation > 0 && !server.published && stepsIn(view) === STEPS) {
          const versions = state.versions.length > 0 ? state.versions : [server.generation];
          found.push(withServer(i, { published: true }, { versions }));
        }
      } else {
        const { number, piece } = server.sent;
        const accepted = log.length === number - 1;
        const there = accepted || log[number - 1] === piece;
        const grown = accepted ? [...log, piece] : log;
        // The answer comes: written, or another was first.
        const known = there ? { read: number, ...this.#learnt(i, grown.slice(0, number)) } : {};
        found.push(withServer(i, { sent: undefined, ...known }, { log: grown }));
        if (accepted && left.lostAnswers > 0) found.push({ ...state, log: grown, left: spend("lostAnswers") });
        if (left.lostWrites > 0) found.push(withServer(i, { sent: undefined }, { left: spend("lostWrites") }));
      }
      if (left.crashes > 0 && (server.read > 0 || server.sent !== undefined)) {
        const late = server.sent === undefined ? orphans : [...orphans, server.sent];
        found.push(withServer(i, IDLE, { orphans: late, left: spend("crashes") }));
      }
    }
    for (const [k, { number, piece }] of orphans.entries()) {
      const others = orphans.filter((_, j) => j !== k);
      if (log.length === number - 1) found.push({ ...state, log: [...log, piece], orphans: others });
      found.push({ ...state, orphans: others }); // it is lost, or refused
    }
    const job = this.#job(log);
    if (left.cancels > 0 && !isTerminal(job.state) && job.state.kind !== "cancelling") {
      const piece = this.#piece("person", 0, [stateChange(job.state, { kind: "cancel" })]);
      found.push({ ...state, log: [...log, piece], left: spend("cancels") });
    }
    if (left.pauses > 0 && job.state.kind === "running" && job.owner !== undefined && job.pauseAsked === undefined) {
      const piece = this.#piece("person", 0, [{ kind: "pause_asked", summary: "", detail: {} }]);
      found.push({ ...state, log: [...log, piece], left: spend("pauses") });
    }
    if (job.state.kind === "paused") {
      const piece = this.#piece("person", 0, [stateChange(job.state, { kind: "resume" })]);
      found.push({ ...state, log: [...log, piece] });
    }
    return found;
  }

  /** What a server may write, given what it has read. */
  #decisions(
    view: Job,
    i: number,
    server: Server,
    { servers, left }: State,
  ): { readonly decided: readonly NewJobEvent[]; readonly budget?: Budget }[] {
    const trainer = nameOf(i);
    if (server.generation > 0) {
      const next = this.#work(view, { trainer, generation: server.generation }, server);
      return next === undefined ? [] : [{ decided: next }];
    }
    const { owner, generation = 0 } = view;
    if (owner?.trainer === trainer) {
      // Of its life before the crash.
      return [{ decided: releaseEvents(view, generation, RELEASE, Number.POSITIVE_INFINITY)! }];
    }
    if (owner !== undefined) {
      const other = servers[Number(owner.trainer.slice(1))]!;
      const gone = other.generation !== generation;
      if (!gone && left.misjudgements === 0) return [];
      const decided = releaseEvents(view, generation, RELEASE, Number.POSITIVE_INFINITY)!;
      return [{ decided, ...(gone ? {} : { budget: { ...left, misjudgements: left.misjudgements - 1 } }) }];
    }
    const owned = { trainer, host: trainer };
    const decided = claimEvents(view, owned) ?? requeueEvents(view, Number.POSITIVE_INFINITY);
    return decided === undefined ? [] : [{ decided }];
  }

  /** What a server knows of itself once its write is in the log. */
  #learnt(i: number, log: readonly number[]): Partial<Server> {
    const job = this.#job(log);
    const { events } = this.#pieces[log.at(-1)!]!;
    if (events[0]!.kind === "claimed") return { generation: job.generation!, published: false };
    return job.owner?.trainer === nameOf(i) ? {} : GAVE_UP;
  }

  /** The next write of an owner, as its run and its log are. */
  #work(view: Job, claim: { trainer: string; generation: number }, server: Server): readonly NewJobEvent[] | undefined {
    if (!holds(view, claim)) return undefined; // it looks again before it writes
    const { state, pauseAsked } = view;
    const change = (transition: JobTransition) => [stateChange(state, transition)];
    switch (state.kind) {
      case "queued": {
        // In one write: between them is nothing that is not between any two others.
        const begun = change({ kind: "begin" });
        const running = state.resuming ? [] : [stateChange(begun[0]!.transition!.to, { kind: "validated" })];
        return [...begun, ...running, stateChange({ kind: "preparing", resuming: false }, { kind: "prepared" })];
      }
      case "running": {
        if (pauseAsked !== undefined) return change({ kind: "pause" });
        const now = stepsIn(view);
        if (now === STEPS) return change({ kind: "trained" });
        const files = Array.from({ length: now + 1 }, (_, k) => fileOf(k + 1, claim.generation));
        return [{ kind: "files_kept", summary: "", detail: { files } }];
      }
      case "evaluating":
        return server.published ? change({ kind: "succeed", result: { metrics: {} } }) : undefined;
      case "cancelling":
        return change({ kind: "stopped" });
      default:
        return undefined;
    }
  }

  #piece(by: string, generation: number, events: readonly NewJobEvent[]): number {
    const key = JSON.stringify([by, generation, events]);
    const known = this.#pieceIds.get(key);
    if (known !== undefined) return known;
    this.#pieceIds.set(key, this.#pieces.length);
    return this.#pieces.push({ by, generation, events }) - 1;
  }

  #check({ log, versions }: State): void {
    if (versions.length > 1) throw new Error("published twice");
    const last = log.at(-1);
    if (last === undefined) return;
    const { by, generation, events } = this.#pieces[last]!;
    const before = this.#job(log.slice(0, -1));
    const after = this.#job(log);
    this.generations.add(after.generation ?? 0);
    if (isTerminal(before.state)) throw new Error(`${by} wrote after the end: ${JSON.stringify(events)}`);
    if (after.state.kind === "succeeded" && versions.length === 0) throw new Error("succeeded and not published");
    const ofWork = events.some(({ kind }) => kind === "files_kept" || kind === "state_changed") && generation > 0;
    if (ofWork && !holds(before, { trainer: by, generation })) {
      throw new Error(`${by} wrote under generation ${generation}, and the job's is ${before.generation}`);
    }
    if (events[0]!.kind === "claimed" && after.generation !== (before.generation ?? 0) + 1)
      throw new Error("a claim twice");
    if (events[0]!.kind === "files_kept" && stepsIn(after) !== stepsIn(before) + 1) throw new Error("a gap or a fork");
  }
}

const GAVE_UP: Partial<Server> = { generation: 0, published: false };
const RELEASE = { why: "silent", killed: true };
const nameOf = (i: number) => `t${i}`;
const stepsIn = ({ kept = [] }: Job) => kept.length;
const fileOf = (step: number, generation: number) => ({ path: `step-${step}`, sha256: "", bytes: 1, generation });

const NOTHING: Budget = { crashes: 0, misjudgements: 0, lostAnswers: 0, lostWrites: 0, cancels: 0, pauses: 0 };

describe("every state of servers that share a job", { timeout: 240_000 }, () => {
  const CASES: Readonly<Record<string, readonly [servers: number, budget: Budget]>> = {
    "two servers in peace": [2, NOTHING],
    "two servers, one crash and one misjudgement": [2, { ...NOTHING, crashes: 1, misjudgements: 1 }],
    "two servers, two misjudgements": [2, { ...NOTHING, misjudgements: 2 }],
    "two servers, a misjudgement, a lost answer and a lost write": [
      2,
      { ...NOTHING, misjudgements: 1, lostAnswers: 1, lostWrites: 1 },
    ],
    "two servers, a crash, a lost answer and a cancellation": [
      2,
      { ...NOTHING, crashes: 1, lostAnswers: 1, cancels: 1 },
    ],
    "two servers, a misjudgement and a pause": [2, { ...NOTHING, misjudgements: 1, pauses: 1 }],
    "three servers, one misjudgement": [3, { ...NOTHING, misjudgements: 1 }],
  };
  for (const [name, [servers, budget]] of Object.entries(CASES)) {
    it(`${name}: one writer at a time, one end, one version, no fork; and the job can always end`, () => {
      const explorer = new Explorer(servers, budget);
      console.info(`${name}: ${explorer.after.length} states, generations up to ${Math.max(...explorer.generations)}`);
      expect(explorer.stuck()).toBe(0);
      if (budget.crashes + budget.misjudgements > 0) expect(Math.max(...explorer.generations)).toBeGreaterThan(1);
    });
  }
});
