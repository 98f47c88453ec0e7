import { AlbertError } from "../../errors.ts";
import { type Health, HealthCheckResponse_ServingStatus as ServingStatus } from "../../gen/grpc/health/v1/health_pb.js";
import { draining } from "../../serving/errors.ts";
import type { ServiceHandlers } from "../call/call.ts";

// The one source of every health probe, and the standard health service over it.

/** Most names `List` may return; part of the protocol. */
const MAX_LISTED = 100;

/** What the health name of a model begins with. */
export const MODEL_PREFIX = "model/";

/**
 * Which names answer calls now: "" for the server as a whole, each service, and `model/<name>` for each model. The one source
 * of every probe: gRPC health, `/readyz` and the `albert_ready` metric cannot disagree. Watchers see every change. After
 * `drain` everything is NOT_SERVING for good.
 */
export class HealthStates {
  readonly #serving = new Map<string, boolean>([["", false]]);
  /** Why a name does not serve, in a few words. */
  readonly #reasons = new Map<string, string>();
  readonly #services = new Set<string>([""]);
  readonly #watchers = new Set<() => void>();
  #draining = false;

  /** Whether the server as a whole gets traffic. */
  get ready(): boolean {
    return this.status("") === ServingStatus.SERVING;
  }

  /** A service that some listener serves: it is as healthy as the server. */
  addService(name: string): void {
    this.#services.add(name);
    this.set(name, this.#serving.get("") ?? false);
  }

  /** The server as a whole, and each of its services. */
  setServer(serving: boolean): void {
    for (const name of this.#services) this.#serving.set(name, serving);
    this.#notify();
  }

  /** @param reason  why it does not serve, in a few words without a secret: probes may be asked by anyone */
  set(name: string, serving: boolean, reason = ""): void {
    this.#serving.set(name, serving);
    this.#reasons.set(name, reason);
    this.#notify();
  }

  /** Forgets a name, such as an unloaded model: its watchers see SERVICE_UNKNOWN. */
  remove(name: string): void {
    this.#serving.delete(name);
    this.#reasons.delete(name);
    this.#notify();
  }

  drain(): void {
    this.#draining = true;
    this.#notify();
  }

  /** undefined for an unknown name. */
  status(name: string): ServingStatus | undefined {
    const serving = this.#serving.get(name);
    if (serving === undefined) return undefined;
    return serving && !this.#draining ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  /** Models that do not serve, sorted, with the reason where there is one: `name (reason)`. */
  absentModels(): string[] {
    return this.names()
      .filter((name) => name.startsWith(MODEL_PREFIX) && this.#serving.get(name) === false)
      .map((name) => {
        const reason = this.#reasons.get(name) ?? "";
        return `${name.slice(MODEL_PREFIX.length)}${reason === "" ? "" : ` (${reason})`}`;
      });
  }

  /** Known names, sorted. */
  names(): string[] {
    return [...this.#serving.keys()].sort();
  }

  /** Calls `onChange` after every change of any name until the returned function is called. */
  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange);
    return () => this.#watchers.delete(onChange);
  }

  #notify(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

/** The standard health service over these states. */
export function healthHandlers(states: HealthStates): ServiceHandlers<typeof Health> {
  return {
    check: async ({ service }) => {
      const status = states.status(service);
      if (status !== undefined) return { status };
      throw new AlbertError("not-found", "this server has no service or model of that name", {
        reason: "SERVICE_NOT_FOUND",
        metadata: { service },
      });
    },
    list: async () => {
      const names = states.names().slice(0, MAX_LISTED);
      return { statuses: Object.fromEntries(names.map((name) => [name, { status: states.status(name)! }])) };
    },
    watch: async function* ({ service }, context) {
      let changed = signal();
      const stop = states.watch(() => changed.fire());
      const end = () => changed.fire();
      context.signal.addEventListener("abort", end, { once: true });
      context.draining.addEventListener("abort", end, { once: true });
      try {
        let last: ServingStatus | undefined;
        for (;;) {
          const status = states.status(service) ?? ServingStatus.SERVICE_UNKNOWN;
          if (status !== last) yield { status };
          last = status;
          context.signal.throwIfAborted();
          // The watcher has seen NOT_SERVING; an open stream would only hold up the shutdown.
          if (context.draining.aborted) throw draining();
          await changed.fired;
          changed = signal();
        }
      } finally {
        stop();
        context.signal.removeEventListener("abort", end);
        context.draining.removeEventListener("abort", end);
      }
    },
  };
}

function signal(): { readonly fired: Promise<void>; fire(): void } {
  let fire = () => {};
  const fired = new Promise<void>((resolve) => {
    fire = resolve;
  });
  return { fired, fire: () => fire() };
}
