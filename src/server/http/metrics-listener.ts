import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { TLSSocket } from "node:tls";
import type { AccessControl } from "../access/access-control.ts";
import { refusalOf, refuse } from "../access/http-access.ts";
import type { Certificates } from "../tls/certificates.ts";
import { boundPort, listen } from "./http-address.ts";
import { httpServer } from "./http-server.ts";
import type { MetricsPage } from "./metrics-page.ts";

// The HTTP listener for metrics and probes.

/** Slow or silent peers of an endpoint that answers in milliseconds are cut off early. */
const REQUEST_TIMEOUT_MS = 10_000;

export interface MetricsListenerOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  /** The page for scrapers. */
  readonly metricsPage: (accept?: string) => Promise<MetricsPage>;
  /** Whether calls are answered now. */
  readonly ready: () => boolean;
  /** Models that do not serve, each with its reason. */
  readonly absentModels: () => readonly string[];
  /** Who may see the metrics; every caller where it is absent. The paths of probes are open to all. */
  readonly access?: AccessControl;
  /** TLS; plain text without. */
  readonly certificates?: Certificates;
}

/**
 * Plain HTTP for machines that watch the process: `/metrics` for Prometheus, `/livez` (or `/healthz`) while the main thread
 * runs at all,
 * `/readyz` while calls are answered, with a line for each model that does not serve.
 */
export class MetricsListener {
  /** `host:port` with the port that was bound. */
  readonly address: string;
  readonly #server: Server;

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  /** @throws AlbertError precondition ADDRESS_UNAVAILABLE when the address cannot be bound */
  static async open(options: MetricsListenerOptions): Promise<MetricsListener> {
    const { certificates } = options;
    const server = httpServer({ requestTimeout: REQUEST_TIMEOUT_MS }, certificates, false, (request, response) => {
      const path = request.url?.split("?")[0];
      if (request.method !== "GET" && request.method !== "HEAD") {
        reply(response.setHeader("allow", "GET, HEAD"), 405, "text/plain", "only GET and HEAD\n");
      } else if (path === "/metrics") {
        answerMetrics(options, request, response).catch(() => response.destroy());
      } else if (path === "/healthz" || path === "/livez") {
        reply(response, 200, "text/plain", "alive\n");
      } else if (path === "/readyz") {
        const ready = options.ready();
        const absent = options.absentModels().map((model) => `not serving: ${model}\n`);
        reply(response, ready ? 200 : 503, "text/plain", `${ready ? "ready" : "not ready"}\n${absent.join("")}`);
      } else {
        reply(response, 404, "text/plain", "there are /metrics, /livez, /healthz and /readyz\n");
      }
    });
    server.setTimeout(REQUEST_TIMEOUT_MS); // also ends a connection whose peer does not read its answers
    await listen(server, options.address);
    return new MetricsListener(server, boundPort(server, options.address));
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answerMetrics(
  { metricsPage, certificates, access }: MetricsListenerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refused =
    certificates?.clients === "required" && !hasCertificate(request) ? 401 : await refusalOf(request, access, ["read"]);
  if (refused !== undefined) return refuse(response, refused);
  try {
    const { contentType, body } = await metricsPage(request.headers.accept);
    reply(response, 200, contentType, body);
  } catch {
    reply(response, 500, "text/plain", "the metrics could not be collected\n");
  }
}

/** Whether the connection showed a certificate that the client authorities vouch for. */
function hasCertificate({ socket }: IncomingMessage): boolean {
  return socket instanceof TLSSocket && socket.authorized;
}

function reply(response: ServerResponse, status: number, contentType: string, body: string | Buffer): void {
  response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) }).end(body);
}
