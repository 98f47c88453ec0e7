import type { DeviceKind } from "../../runtime/engine.ts";
import type { Clock } from "../clock.ts";

/** A device computes one batch while the next one already waits inside the engine. */
const BATCHES_IN_FLIGHT = 2;

interface Flight {
  readonly predictedMs: number;
}

/** The batches each device has in hand, and when it is predicted to be done with them. */
export class InFlightBatches {
  readonly #clock: Clock;
  /** By device, oldest first; `since` is when the oldest began to run. */
  readonly #devices = new Map<DeviceKind, { flights: Flight[]; since: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a device would take another batch now. */
  hasRoom(device: DeviceKind): boolean {
    return (this.#devices.get(device)?.flights.length ?? 0) < BATCHES_IN_FLIGHT;
  }

  /** Notes that a batch was handed over. @returns notes that it came back */
  begin(device: DeviceKind, predictedMs: number): () => void {
    const state = this.#devices.get(device) ?? { flights: [], since: 0 };
    this.#devices.set(device, state);
    const flight = { predictedMs };
    if (state.flights.length === 0) state.since = this.#clock.now();
    state.flights.push(flight);
    return () => {
      state.flights.splice(state.flights.indexOf(flight), 1);
      state.since = this.#clock.now();
    };
  }

  /** Predicted milliseconds until a device has done all it has in hand. */
  leftMs(device: DeviceKind): number {
    const state = this.#devices.get(device);
    if (state === undefined || state.flights.length === 0) return 0;
    const predicted = state.flights.reduce((sum, { predictedMs }) => sum + predictedMs, 0);
    return Math.max(0, predicted - (this.#clock.now() - state.since));
  }
}
