import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { boundPort, hostOf, listen } from "../http-address.ts";
import { StaticFiles } from "./static-files.ts";

export interface ConsoleListenerOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  /** Directory of the built page; calls are answered without it too. */
  readonly directory: string;
  /** Adds the services that the page calls. */
  readonly routes: (router: ConnectRouter) => void;
  readonly metricsPage: () => Promise<{ contentType: string; body: string }>;
  /** Largest message of a call. */
  readonly maxMessageBytes: number;
}

const LOOPBACK_NAMES = new Set(["localhost", "127.0.0.1", "::1"]);

/**
 * The console: one page, and the project's own services over Connect, gRPC-Web and JSON for it and for `curl`. A listener on
 * a loopback address answers only to loopback names, so that no other site's name can be pointed at it; there are no CORS
 * headers, so that no other site's page can call it.
 */
export class ConsoleListener {
  /** `host:port` with the port that was bound. */
  readonly address: string;
  readonly #server: Server;

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  /** @throws AlbertError precondition ADDRESS_UNAVAILABLE when the address cannot be bound */
  static async open(options: ConsoleListenerOptions): Promise<ConsoleListener> {
    const files = await StaticFiles.open(options.directory);
    const loopback = LOOPBACK_NAMES.has(hostOf(options.address));
    const answerCall = connectNodeAdapter({
      routes: options.routes,
      readMaxBytes: options.maxMessageBytes,
      fallback: (request, response) => answerPage(request as IncomingMessage, response as ServerResponse),
    });
    const answerPage = (request: IncomingMessage, response: ServerResponse) => {
      const reading = request.method === "GET" || request.method === "HEAD";
      if (reading && files?.answer(request, response)) return;
      if (reading && request.url === "/metrics") {
        options.metricsPage().then(
          ({ contentType, body }) => response.writeHead(200, { "content-type": contentType }).end(body),
          () => response.writeHead(500).end(),
        );
        return;
      }
      response.writeHead(404, { "content-type": "text/plain" }).end("there is nothing here\n");
    };
    const server = createServer((request, response) => {
      if (loopback && !LOOPBACK_NAMES.has(nameOf(request.headers.host))) {
        response.writeHead(421, { "content-type": "text/plain" }).end("this address answers to loopback names only\n");
        return;
      }
      answerCall(request, response);
    });
    await listen(server, options.address);
    return new ConsoleListener(server, boundPort(server, options.address));
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** The name in a Host header, without its port and brackets. */
function nameOf(host: string | undefined): string {
  return (host ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}
