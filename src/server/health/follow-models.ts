import type { Metrics } from "../../metrics/metrics.ts";
import type { ModelRegistry } from "../../serving/models/registry.ts";
import { outageOf } from "../../serving/models/status.ts";
import type { ServerLog } from "../log.ts";
import { type HealthStates, MODEL_PREFIX } from "./health-states.ts";

/**
 * Keeps the health states equal to what can be answered, until the signal aborts. Should following itself fail, everything
 * turns NOT_SERVING: a server that does not know its state must not get traffic.
 *
 * @param ready  whether the server as a whole should get traffic; each model has its own state besides
 * @returns what to call when `ready` changes without a change of the models
 */
export function followHealth(
  live: ModelRegistry,
  ready: () => boolean,
  health: HealthStates,
  metrics: Pick<Metrics, "process">,
  signal: AbortSignal,
  log: ServerLog,
): () => void {
  let lost = false;
  const setAll = () => {
    health.setServer(ready() && !lost);
    metrics.process.ready(health.ready);
  };
  const follow = async () => {
    for await (const status of live.watch(signal)) {
      const name = `${MODEL_PREFIX}${status.name}`;
      const outage = outageOf(status);
      if (status.versions.length === 0) health.remove(name);
      else health.set(name, outage === undefined, outage?.failure?.reason ?? outage?.state);
      setAll();
    }
  };
  setAll();
  follow().catch((error: unknown) => {
    log.error({ err: error }, "health can no longer follow the models");
    lost = true;
    setAll();
  });
  return setAll;
}
