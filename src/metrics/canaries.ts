import { Counter, Gauge, type Registry } from "prom-client";
import { removeSeries } from "./series/series.ts";

// The series about canaries: their share, the evidence on them, what was decided.

/** What canaries and shadows leave behind. */
export interface CanaryMetrics {
  /** A version has a share of a model's requests in this process. */
  share(model: string, version: string, mode: "shadow" | "canary", percent: number): void;
  /** The champion answered a request in a canary's place. */
  fellBack(model: string, reason: string): void;
  /** How far the evidence against a canary has come, from 0 to 1, at which it is taken back. */
  doubt(model: string, criterion: string, doubt: number): void;
  /** This process decided on a canary. */
  decided(model: string, decision: "promoted" | "rolled_back"): void;
  /** A model has no challenger any more. */
  ended(model: string): Promise<void>;
}

export function canaryMetrics(registry: Registry): CanaryMetrics {
  const registers = [registry];
  const share = new Gauge({
    name: "albert_traffic_percent",
    help: "Share of a name's requests that a challenger gets in this process.",
    labelNames: ["alias", "version", "mode"],
    registers,
  });
  const fallbacks = new Counter({
    name: "albert_canary_fallbacks_total",
    help: "Requests that the champion answered because the canary could not, by the reason of its failure.",
    labelNames: ["alias", "reason"],
    registers,
  });
  const doubts = new Gauge({
    name: "albert_canary_doubt",
    help: "How far the evidence of all servers against a canary has come, by criterion: at 1 it is taken back.",
    labelNames: ["alias", "criterion"],
    registers,
  });
  const decisions = new Counter({
    name: "albert_canary_decisions_total",
    help: "Canaries that this process promoted or took back by itself.",
    labelNames: ["alias", "decision"],
    registers,
  });
  return {
    share: (alias, version, mode, percent) => {
      share.set({ alias, version, mode }, percent);
      // A series that begins at 1 has no increase: the first decision would go unnoticed.
      if (mode === "canary") for (const decision of ["promoted", "rolled_back"]) decisions.inc({ alias, decision }, 0);
    },
    fellBack: (alias, reason) => fallbacks.inc({ alias, reason }),
    doubt: (alias, criterion, doubt) => doubts.set({ alias, criterion }, doubt),
    decided: (alias, decision) => decisions.inc({ alias, decision }),
    ended: async (alias) => {
      await removeSeries(share, { alias });
      await removeSeries(doubts, { alias });
    },
  };
}
