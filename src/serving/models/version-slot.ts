import { AlbertError } from "../../errors.ts";
import type { SwapPhase } from "../../metrics/models.ts";
import type { LoadedVersion } from "./loaded-version.ts";
import type { VersionState } from "./status.ts";

// One version under a name, from the start of its loading to its release: a state machine. It loads and releases nothing
// itself, and knows no other version.

/** When a version's loading began, on the clock, what its phases took, and the memory in use before. */
export interface LoadRecord {
  readonly began: number;
  readonly phaseSeconds: Readonly<Partial<Record<SwapPhase, number>>>;
  readonly rssBeforeBytes: number;
}

/** What a version that can answer may be doing. */
export type LoadedKind = "standby" | "serving" | "shadow" | "canary" | "draining";

/** The state of a version, with the data of that state. */
export type SlotState =
  /** `warming` once its engine is built; `loaded` resolves when it can answer. */
  | { readonly kind: "loading" | "warming"; readonly loaded: Promise<LoadedVersion>; readonly record: LoadRecord }
  | { readonly kind: LoadedKind; readonly version: LoadedVersion; readonly record: LoadRecord }
  | { readonly kind: "failed"; readonly reason: string; readonly message: string }
  /** It holds nothing any more. */
  | { readonly kind: "released" };

type LoadingState = Extract<SlotState, { kind: "loading" | "warming" }>;
type LoadedState = Extract<SlotState, { kind: LoadedKind }>;

/** Which states may follow. A version that failed or was released is loaded again in a slot of its own. */
const NEXT: Readonly<Record<SlotState["kind"], readonly SlotState["kind"][]>> = {
  loading: ["warming", "standby", "failed"],
  warming: ["standby", "failed"],
  standby: ["serving", "shadow", "canary", "released"],
  serving: ["draining", "released"],
  shadow: ["standby", "serving", "shadow", "canary", "released"],
  canary: ["standby", "serving", "shadow", "canary", "released"],
  draining: ["standby", "serving", "shadow", "canary", "released"],
  failed: ["released"],
  released: [],
};

export class VersionSlot {
  readonly version: string;
  readonly #onChange: (slot: VersionSlot) => void;
  #state: SlotState;

  /** @param onChange  called on every change of state */
  constructor(
    version: string,
    loaded: Promise<LoadedVersion>,
    record: LoadRecord,
    onChange: (slot: VersionSlot) => void,
  ) {
    this.version = version;
    this.#onChange = onChange;
    this.#state = { kind: "loading", loaded, record };
  }

  get state(): SlotState {
    return this.#state;
  }

  /** The version, while it can answer. */
  get loaded(): LoadedVersion | undefined {
    return isLoaded(this.#state) ? this.#state.version : undefined;
  }

  /** Resolves when it can answer; undefined unless it is being loaded. */
  get loading(): Promise<LoadedVersion> | undefined {
    return isLoading(this.#state) ? this.#state.loaded : undefined;
  }

  /** Its state as watchers see it; a released slot is in no list. */
  get publicState(): VersionState {
    const state = this.#state;
    if (state.kind === "failed") return { kind: state.kind, reason: state.reason, message: state.message };
    return { kind: state.kind === "released" ? "draining" : state.kind };
  }

  /** Notes that its loading begins now: loads run one after the other. */
  began(began: number, rssBeforeBytes: number): void {
    const { loaded } = this.#expectLoading("begin");
    this.#state = { kind: "loading", loaded, record: { began, phaseSeconds: {}, rssBeforeBytes } };
  }

  /** Notes that a phase of its loading took so long; the engine is built once `build` has ended. */
  phase(phase: SwapPhase, seconds: number): void {
    const { kind, loaded, record } = this.#expectLoading(`end ${phase}`);
    const timed = { ...record, phaseSeconds: { ...record.phaseSeconds, [phase]: seconds } };
    if (phase === "build") this.#enter({ kind: "warming", loaded, record: timed });
    else this.#state = { kind, loaded, record: timed };
  }

  /** It can answer from now on. */
  ready(version: LoadedVersion): void {
    this.#enter({ kind: "standby", version, record: this.#expectLoading("become ready").record });
  }

  /** Its loading ended in an error. */
  fail(error: unknown): void {
    const known = error instanceof AlbertError;
    const reason = known ? error.reason : "BUG";
    this.#enter({ kind: "failed", reason, message: known ? error.message : "an internal error; see the log" });
  }

  /** Gives a loaded version another role. Shadow traffic waits behind all other. */
  become(kind: LoadedKind): void {
    const { version, record } = this.#expectLoaded(`become ${kind}`);
    version.queue.setBackground(kind === "shadow");
    this.#enter({ kind, version, record });
  }

  /** How its loading went. */
  get record(): LoadRecord {
    return this.#expectLoaded("say how its loading went").record;
  }

  /** Gives up what it holds, and returns that: the caller releases it. */
  release(): LoadedVersion | undefined {
    const { loaded } = this;
    this.#check("released");
    this.#state = { kind: "released" };
    return loaded;
  }

  #enter(state: SlotState): void {
    this.#check(state.kind);
    this.#state = state;
    this.#onChange(this);
  }

  #check(kind: SlotState["kind"]): void {
    if (NEXT[this.#state.kind].includes(kind)) return;
    throw new Error(`a version that is ${this.#state.kind} cannot become ${kind}`);
  }

  #expectLoading(what: string): LoadingState {
    if (isLoading(this.#state)) return this.#state;
    throw new Error(`a version that is ${this.#state.kind} cannot ${what}`);
  }

  #expectLoaded(what: string): LoadedState {
    if (isLoaded(this.#state)) return this.#state;
    throw new Error(`a version that is ${this.#state.kind} cannot ${what}`);
  }
}

function isLoading(state: SlotState): state is LoadingState {
  return state.kind === "loading" || state.kind === "warming";
}

function isLoaded(state: SlotState): state is LoadedState {
  return "version" in state;
}
