import { ModelService } from "../gen/albert/v1/models_pb.js";
import { DatasetService, TrainingService } from "../gen/albert/v1/training_pb.js";
import { awaitConnection } from "./await-connection.ts";
import { type AlbertClientOptions, openChannel } from "./channel.ts";
import { type ServiceClient, serviceClient } from "./service-client.ts";

// The client of the services for administrators.

/** The calls of an albert server's admin listener. */
export interface AdminClient {
  readonly training: ServiceClient<typeof TrainingService>;
  readonly datasets: ServiceClient<typeof DatasetService>;
  readonly models: ServiceClient<typeof ModelService>;
  /** As that of `AlbertClient`. */
  connected(timeoutMs: number): Promise<void>;
  /** Ends the connection; calls in progress fail. */
  close(): void;
}

/** Loading, promoting and judging a version take their time. */
const DEFAULT_DEADLINE_MS = 120_000;

/**
 * A client for the admin services, with the deadlines, retries and errors of `connectAlbert`.
 *
 * @param address  `host:port`
 * @throws TypeError when a token would travel over a network in plain text
 */
export function connectAdmin(address: string, options: AlbertClientOptions = {}): AdminClient {
  const services = [TrainingService, DatasetService, ModelService];
  const { channel, sent } = openChannel(address, services, options);
  const defaults = { deadlineMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS, ...sent };
  return {
    training: serviceClient(TrainingService, channel, defaults),
    datasets: serviceClient(DatasetService, channel, defaults),
    models: serviceClient(ModelService, channel, defaults),
    connected: (timeoutMs) => awaitConnection(channel, address, timeoutMs),
    close: () => channel.close(),
  };
}
