import { getBackend, setBackend } from "@tensorflow/tfjs-core";

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
    try {
      await import(candidate.package);
    } catch (error) {
      if (isAbsent(error, candidate.package)) continue;
      throw error;
    }
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

function isAbsent(error: unknown, name: string): boolean {
  return (
    error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND" && error.message.includes(name)
  );
}
