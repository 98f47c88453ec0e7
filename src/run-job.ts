import { type AppOptions, configuredDevices, createInference, openStoreOf } from "./app.ts";
import { AlbertError } from "./errors.ts";
import type { OnlyJob } from "./server/admin/open-admin.ts";

/**
 * Works on one job of a store, which it takes by a claim like every server of the queue, until nothing is to be done for it. It listens
 * nowhere. When the signal is aborted, the job is set aside at its next step, for others to go on.
 *
 * @returns the state the job is in then; undefined where the signal was first
 * @throws AlbertError not-found (JOB_NOT_FOUND); unavailable (DISK_FULL) where this machine has no room for it
 */
export async function runJob(
  options: AppOptions,
  { id, trainer }: Omit<OnlyJob, "onNoRoom">,
  signal: AbortSignal,
): Promise<string | undefined> {
  // What the job promotes is served by others: here it is a change of the store.
  const { config } = options;
  const training: AppOptions = { ...options, config: { ...config, server: { ...config.server, role: "training" } } };
  const noRoom = new AbortController();
  const ends = AbortSignal.any([signal, noRoom.signal]);
  const devices = configuredDevices(config);
  const inference = createInference(training, devices);
  try {
    const onNoRoom = () => noRoom.abort();
    const admin = await openStoreOf(training, inference, { devices, only: { id, trainer, onNoRoom } });
    try {
      return (await admin.untilAtRest(ends)).state.kind;
    } catch (error) {
      if (signal.aborted) return undefined;
      if (noRoom.signal.aborted) {
        const message = `this machine's disk has no room for job ${id}: it goes on elsewhere from its checkpoint`;
        throw new AlbertError("unavailable", message, { reason: "DISK_FULL", cause: error });
      }
      throw error;
    } finally {
      await admin.close();
    }
  } finally {
    await inference.close();
  }
}
