import { createRequire } from "node:module";
import { enableProdMode, getBackend, setBackend } from "@tensorflow/tfjs-core";

// Loads and selects a TensorFlow.js backend.

/** Packages that bring a TensorFlow.js backend, best first. The last is a dependency; the others a user may install. */
const BACKENDS = [
  { package: "@tensorflow/tfjs-node-gpu", backend: "tensorflow" },
  { package: "@tensorflow/tfjs-node", backend: "tensorflow" },
  { package: "@tensorflow/tfjs-backend-cpu", backend: "cpu" },
] as const;

/**
 * Loads the best TensorFlow.js backend that is installed.
 *
 * @returns its name, for `onBackend`
 */
export async function loadTfjsBackend(): Promise<string> {
  for (const candidate of BACKENDS) {
    if (!isInstalled(candidate.package)) continue;
    await import(candidate.package);
    // Without this the CPU backend prints advice to install another one.
    enableProdMode();
    return candidate.backend;
  }
  throw new Error("@tensorflow/tfjs-backend-cpu is not installed; run npm install");
}

/** Runs a synchronous function with the named backend as the current one. */
export function onBackend<T>(name: string, run: () => T): T {
  const previous = getBackend();
  // The backends above start synchronously once their package is loaded, so the switch has happened at once.
  void setBackend(name);
  try {
    return run();
  } finally {
    if (previous !== undefined && previous !== name) void setBackend(previous);
  }
}

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}
