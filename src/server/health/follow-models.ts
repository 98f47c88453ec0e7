import { InferenceService } from "../../gen/albert/v1/inference_pb.js";
import type { Metrics } from "../../metrics/metrics.ts";
import type { ModelRegistry } from "../../serving/models/registry.ts";
import type { ServerLog } from "../log.ts";
import type { HealthStates } from "./health-states.ts";

/**
 * Keeps the health states equal to what the live models can answer, until the signal aborts. Should following itself
 * fail, everything turns NOT_SERVING: a server that does not know its state must not get traffic.
 */
export async function followHealth(
  live: ModelRegistry,
  health: HealthStates,
  metrics: Pick<Metrics, "process">,
  signal: AbortSignal,
  log: ServerLog,
): Promise<void> {
  const setAll = (ready: boolean) => {
    health.set("", ready);
    health.set(InferenceService.typeName, ready);
    metrics.process.ready(ready);
  };
  setAll(live.ready);
  try {
    for await (const { name, current, versions } of live.watch(signal)) {
      if (versions.length === 0) health.remove(`model/${name}`);
      else health.set(`model/${name}`, current !== undefined);
      setAll(live.ready);
    }
  } catch (error) {
    log.error({ err: error }, "health can no longer follow the models");
    setAll(false);
  }
}
