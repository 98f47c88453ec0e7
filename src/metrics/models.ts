import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { DURATION_BUCKETS } from "./buckets.ts";
import { removeSeries } from "./series/series.ts";

// The series about the models that serve: state, swaps, shadow comparisons.

/**
 * Phases of bringing a version into service and taking its predecessor out. `rehearse` is the dry run on an engine of its
 * own, `flip` the moment at which the name is pointed at the new version: label values that scrapers know.
 */
export type SwapPhase = "load" | "rehearse" | "build" | "check" | "flip" | "drain" | "release";
export type SwapResult = "promoted" | "rolled_back" | "failed";

/** What live models record. */
export interface ModelMetrics {
  /** A version is in `state` now; the states it was in before drop to 0. */
  state(model: string, version: string, state: string): void;
  /** A version became able to answer. `digest` is cut to 12 characters. */
  loaded(model: string, version: string, digest: string, device: string): void;
  generation(model: string, generation: number): void;
  phase(phase: SwapPhase, seconds: number): void;
  swapped(result: SwapResult, cause: string): void;
  compared(task: string, agreed: boolean): void;
  /** Population stability of the shadow's scores against the champion's. */
  scoreShift(model: string, shift: number): void;
  /** Drops the series of a version that is no longer loaded. */
  forget(model: string, version: string): Promise<void>;
}

export function modelMetrics(registry: Registry): ModelMetrics {
  const registers = [registry];
  const info = new Gauge({
    name: "albert_model_info",
    help: "1 for each version that is loaded.",
    labelNames: ["alias", "version", "digest", "device"],
    registers,
  });
  const states = new Gauge({
    name: "albert_model_state",
    help: "1 for the state a version is in.",
    labelNames: ["alias", "version", "state"],
    registers,
  });
  const generation = new Gauge({
    name: "albert_model_generation",
    help: "Number of times the name was pointed at another version.",
    labelNames: ["alias"],
    registers,
  });
  const phases = new Histogram({
    name: "albert_swap_seconds",
    help: "Time of each phase of loading, switching and releasing versions.",
    labelNames: ["phase"],
    buckets: [...DURATION_BUCKETS],
    registers,
  });
  const swaps = new Counter({
    name: "albert_swap_total",
    help: "Attempts to switch a name to another version.",
    labelNames: ["result", "cause"],
    registers,
  });
  const compared = new Counter({
    name: "albert_shadow_compared_total",
    help: "Requests also answered by a shadow version.",
    labelNames: ["task"],
    registers,
  });
  const disagreements = new Counter({
    name: "albert_shadow_disagreements_total",
    help: "Requests whose shadow answer differed.",
    labelNames: ["task"],
    registers,
  });
  const shift = new Gauge({
    name: "albert_score_shift",
    help: "Population stability index of the shadow's scores against the serving version's.",
    labelNames: ["alias"],
    registers,
  });
  const lastState = new Map<string, string>();
  return {
    state: (model, version, state) => {
      const key = `${model}\n${version}`;
      const before = lastState.get(key);
      if (before !== undefined) states.remove({ alias: model, version, state: before });
      lastState.set(key, state);
      states.set({ alias: model, version, state }, 1);
    },
    loaded: (model, version, digest, device) =>
      info.set({ alias: model, version, digest: digest.slice(0, 12), device }, 1),
    generation: (model, value) => generation.set({ alias: model }, value),
    phase: (phase, seconds) => phases.observe({ phase }, seconds),
    swapped: (result, cause) => swaps.inc({ result, cause }),
    compared: (task, agreed) => {
      compared.inc({ task });
      if (!agreed) disagreements.inc({ task });
    },
    scoreShift: (model, value) => shift.set({ alias: model }, value),
    forget: async (model, version) => {
      lastState.delete(`${model}\n${version}`);
      await removeSeries(info, { alias: model, version });
      await removeSeries(states, { alias: model, version });
    },
  };
}
