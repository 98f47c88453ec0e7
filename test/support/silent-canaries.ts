import type { CanaryObserver } from "../../src/deployment/canary/canary-observer.ts";

/** Hears of canaries and says nothing. */
export const SILENT_CANARIES: CanaryObserver = { share: () => {}, doubt: () => {}, decided: () => {}, ended: () => {} };
