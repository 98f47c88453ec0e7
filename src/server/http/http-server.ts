import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type Certificates, HANDSHAKE_TIMEOUT_MS } from "../tls/certificates.ts";

/**
 * An HTTP server; with certificates it speaks TLS only, and follows them.
 *
 * @param mandatory  whether a connection without the client certificate that is required is refused at once; otherwise each
 *   request is to be looked at (`hasRequiredCertificate`)
 */
export function httpServer(
  options: ServerOptions,
  certificates: Certificates | undefined,
  mandatory: boolean,
  listener: RequestListener,
): Server {
  if (certificates === undefined) return createServer(options, listener);
  const server = createSecureServer(
    {
      ...options,
      ...certificates.context,
      requestCert: certificates.clients !== "none",
      rejectUnauthorized: mandatory && certificates.clients === "required",
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    },
    listener,
  );
  const stop = certificates.onChange((context) => server.setSecureContext(context));
  server.once("close", stop);
  return server;
}
