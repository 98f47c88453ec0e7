import { join } from "node:path";
import { type App, startApp } from "../src/app.ts";
import { modelsToServe } from "../src/cli/server/models-to-serve.ts";
import { loadConfig } from "../src/config/load.ts";

/**
 * Serves the bundled models on free ports of this machine from a store in a directory, for scripts that use the console.
 *
 * @param indexes  as `search.indexes`
 */
export function startBundledApp(directory: string, indexes: readonly string[] = []): Promise<App> {
  const free = "127.0.0.1:0";
  const { config } = loadConfig({});
  return startApp(
    {
      config: {
        ...config,
        server: {
          ...config.server,
          publicAddress: free,
          adminAddress: free,
          metricsAddress: free,
          consoleAddress: free,
        },
        search: { indexes: [...indexes] },
        store: { ...config.store, directory: join(directory, "store") },
        runtime: { ...config.runtime, device: "cpu" },
      },
      log: { debug() {}, info() {}, warn: console.warn, error: console.error },
    },
    modelsToServe([]),
  );
}
