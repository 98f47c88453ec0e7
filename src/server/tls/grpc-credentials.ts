import { ServerCredentials } from "@grpc/grpc-js";
import { type Certificates, HANDSHAKE_TIMEOUT_MS } from "./certificates.ts";

/**
 * Credentials of a gRPC listener that follow the certificates: grpc-js hands each update to its HTTP/2 servers as their context
 * for new connections, which is how its own certificate providers work.
 */
export class GrpcCredentials extends ServerCredentials {
  constructor(certificates: Certificates) {
    super(
      {
        requestCert: certificates.clients !== "none",
        rejectUnauthorized: certificates.clients === "required",
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      },
      certificates.context,
    );
    certificates.onChange((context) => this.updateSecureContextOptions(context));
  }

  _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}
