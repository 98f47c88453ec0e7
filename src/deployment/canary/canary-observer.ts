/** Hears of canaries, for metrics and the log. */
export interface CanaryObserver {
  /** A version has a share of a model's requests in this process. */
  share(model: string, version: string, mode: "shadow" | "canary", percent: number): void;
  /** How far the evidence against a canary has come, from 0 to 1, at which it is taken back. */
  doubt(model: string, criterion: string, doubt: number): void;
  /** This process decided on a canary. */
  decided(model: string, decision: "promoted" | "rolled_back", version: number, reason: string): void;
  /** A model has no challenger any more. */
  ended(model: string): Promise<void> | void;
}
