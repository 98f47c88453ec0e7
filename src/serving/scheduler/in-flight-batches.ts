import type { Clock } from "../../platform/waiting/clock.ts";
import type { DeviceKind } from "../../runtime/engine.ts";

// The batches that each device has in hand, and when it is predicted to be done with them. It starts and ends nothing.

/** A device computes one batch while the next one already waits inside the engine. */
const BATCHES_IN_FLIGHT = 2;

interface InFlight {
  readonly predictedMs: number;
}

export class InFlightBatches {
  readonly #clock: Clock;
  /** By device, oldest first; `since` is when the oldest began to run. */
  readonly #devices = new Map<DeviceKind, { batches: InFlight[]; since: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a device would take another batch now. */
  hasRoom(device: DeviceKind): boolean {
    return (this.#devices.get(device)?.batches.length ?? 0) < BATCHES_IN_FLIGHT;
  }

  /** Notes that a batch was handed over. The returned function notes that it came back. */
  begin(device: DeviceKind, predictedMs: number): () => void {
    const state = this.#devices.get(device) ?? { batches: [], since: 0 };
    this.#devices.set(device, state);
    const batch = { predictedMs };
    if (state.batches.length === 0) state.since = this.#clock.now();
    state.batches.push(batch);
    return () => {
      state.batches.splice(state.batches.indexOf(batch), 1);
      state.since = this.#clock.now();
    };
  }

  /** Predicted milliseconds until a device has done all it has in hand; 0 when that should be over. */
  remainingMs(device: DeviceKind): number {
    const state = this.#devices.get(device);
    if (state === undefined || state.batches.length === 0) return 0;
    const predicted = state.batches.reduce((sum, { predictedMs }) => sum + predictedMs, 0);
    return Math.max(0, predicted - (this.#clock.now() - state.since));
  }
}
