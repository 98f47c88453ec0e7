/**
 * Turns SIGINT and SIGTERM into an abort signal, so that a run ends after the step in hand with a valid checkpoint. A second
 * one ends the process at once.
 */
export function stopOnInterrupt(say: (text: string) => void): { readonly signal: AbortSignal; release(): void } {
  const interrupted = new AbortController();
  const interrupt = () => {
    if (interrupted.signal.aborted) process.exit(130);
    say("stopping after this step; continue later with --resume");
    interrupted.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return {
    signal: interrupted.signal,
    release() {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", interrupt);
    },
  };
}
