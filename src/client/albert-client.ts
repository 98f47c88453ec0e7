import { InferenceService } from "../gen/albert/v1/inference_pb.js";
import { SearchService } from "../gen/albert/v1/search_pb.js";
import { awaitConnection } from "./await-connection.ts";
import { type AlbertClientOptions, openChannel } from "./channel.ts";
import { type ServiceClient, serviceClient } from "./service-client.ts";

// The entry of the client package: everything that it exports, and the client of the public services.

export { type AdminClient, connectAdmin } from "./admin-client.ts";
export { CallError, itemError } from "./call-error.ts";
export type { AlbertClientOptions, ClientTls } from "./channel.ts";
export type { CallOptions, ServiceClient } from "./service-client.ts";
export { type UploadOptions, uploadDataset } from "./upload-dataset.ts";

/** The calls of `albert.v1.InferenceService`, and of `albert.v1.SearchService`, which answers from indexes. */
export interface AlbertClient extends ServiceClient<typeof InferenceService>, ServiceClient<typeof SearchService> {
  /**
   * Waits until a connection stands, or is known to fail, which the next call then says. @throws CallError UNAVAILABLE
   * (NO_CONNECTION) when neither is so after `timeoutMs`: packets are dropped, or what listens there never answers
   */
  connected(timeoutMs: number): Promise<void>;
  /** Ends the connection; calls in progress fail. */
  close(): void;
}

const DEFAULT_DEADLINE_MS = 10_000;
/** As servers give to calls without a deadline: 100 s for a megabyte. */
const MS_PER_BYTE = 0.1;

/**
 * A client for an albert server. Every unary call has a deadline; unless one is given, it is longer the more text is sent,
 * so that documents of a megabyte are answered too. Calls that the server refused before it began them
 * (RESOURCE_EXHAUSTED, UNAVAILABLE) are tried again, when the server says so or with growing delays; never when it
 * says that this is pointless, and not at all while more than about one call in ten fails.
 *
 *     const albert = connectAlbert("localhost:50051");
 *     const { labels } = await albert.classify({ text: "a gripping, honest film" });
 *
 * @param address  `host:port`
 * @throws TypeError when a token would travel over a network in plain text
 */
export function connectAlbert(address: string, options: AlbertClientOptions = {}): AlbertClient {
  const { channel, sent } = openChannel(address, [InferenceService, SearchService], options);
  const { deadlineMs } = options;
  const deadlines =
    deadlineMs === undefined ? { deadlineMs: DEFAULT_DEADLINE_MS, msPerByte: MS_PER_BYTE } : { deadlineMs };
  return {
    ...serviceClient(InferenceService, channel, { ...deadlines, ...sent }),
    ...serviceClient(SearchService, channel, { ...deadlines, ...sent }),
    connected: (timeoutMs) => awaitConnection(channel, address, timeoutMs),
    close: () => channel.close(),
  };
}
