import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { ConnectRouter } from "@connectrpc/connect";
import send from "send";
import { isLoopback } from "../../config/setting.ts";
import type { AccessControl } from "../access/access-control.ts";
import { refusalOf, refuse } from "../access/http-access.ts";
import type { ByteBudget } from "../call/byte-budget.ts";
import { connectListener } from "../connect/node-adapter.ts";
import { boundPort, hostOf, listen } from "../http/http-address.ts";
import { httpServer } from "../http/http-server.ts";
import type { MetricsPage } from "../http/metrics-page.ts";
import type { Certificates } from "../tls/certificates.ts";
import { answerSession, SESSION_PATH } from "./session-route.ts";

// The HTTP listener of the console: static files, metrics and the services over Connect.

export interface ConsoleListenerOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  /** Directory of the built page; calls are answered without it too. */
  readonly directory: string;
  /** Adds the services that the page calls. */
  readonly routes: (router: ConnectRouter) => void;
  /** Answers requests of other protocols over HTTP. @returns whether the request is one of them */
  readonly rest?: (request: IncomingMessage, response: ServerResponse) => boolean;
  readonly metricsPage: (accept?: string) => Promise<MetricsPage>;
  /** Largest message of a call. */
  readonly maxMessageBytes: number;
  /** The most values of a message. */
  readonly maxValues: number;
  /** What the messages of all calls count against. */
  readonly budget: ByteBudget;
  /** Who may see the metrics; every caller where it is absent. */
  readonly access?: AccessControl;
  /** TLS; plain text without. */
  readonly certificates?: Certificates;
}

/** Nothing from elsewhere runs in the page, and no other page may frame it. */
const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};

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
    const loopback = isLoopback(hostOf(options.address));
    const answerCall = connectListener({ ...options, fallback: pageListener(options) });
    const server = httpServer({}, options.certificates, true, (request, response) => {
      if (loopback && !isLoopback(nameOf(request.headers.host))) {
        response.writeHead(421, { "content-type": "text/plain" }).end("this address answers to loopback names only\n");
        return;
      }
      if (!options.rest?.(request, response)) answerCall(request, response);
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

/** Answers with the page's files and the metrics; no path leads out of the page's directory. */
function pageListener({ directory, metricsPage, access }: ConsoleListenerOptions) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const nothing = (): void => {
      // A file that could not be read to its end.
      if (response.headersSent) response.destroy();
      else response.writeHead(404, { "content-type": "text/plain" }).end("there is nothing here\n");
    };
    const path = request.url?.split("?", 1)[0] ?? "/";
    if (path === SESSION_PATH) {
      answerSession(request, response, access).catch(() => response.destroy());
      return;
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      nothing();
      return;
    }
    if (path === "/metrics") {
      const answer = async () => {
        const refused = await refusalOf(request, access, ["read"]);
        if (refused !== undefined) return refuse(response, refused);
        const { contentType, body } = await metricsPage(request.headers.accept);
        response.writeHead(200, { "content-type": contentType }).end(body);
      };
      answer().catch(() => response.writeHead(500).end());
      return;
    }
    send(request, path, { root: directory, cacheControl: false, dotfiles: "ignore" })
      .on("headers", () => {
        for (const [name, value] of Object.entries(PAGE_HEADERS)) response.setHeader(name, value);
      })
      .on("directory", nothing)
      .on("error", nothing)
      .pipe(response);
  };
}

/** The name in a Host header, without its port and brackets; names are alike in any case. */
function nameOf(host: string | undefined): string {
  return (host ?? "")
    .toLowerCase()
    .replace(/:\d+$/, "")
    .replace(/^\[|\]$/g, "");
}
