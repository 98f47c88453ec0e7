import type { Deadline, Metadata } from "@grpc/grpc-js";
import type { Transport } from "../call/open-call.ts";
import { alternativeNames } from "../tls/alternative-names.ts";
import { rememberTrace } from "./call-traces.ts";

// What a running call needs of grpc-js's call objects.

/** What is used of the library's call objects, of whatever kind. */
export interface CallSurface {
  readonly metadata: Metadata;
  getPeer(): string;
  getDeadline(): Deadline;
  getAuthContext(): { readonly sslPeerCertificate?: { readonly subjectaltname?: string | undefined } };
}

/** A call object of the library as the transport of a call. */
export function grpcTransport(surface: CallSurface): Transport {
  return {
    peer: () => surface.getPeer(),
    header: (name) => {
      const value = surface.metadata.get(name)[0];
      return typeof value === "string" ? value : undefined;
    },
    certificateNames: () => alternativeNames(surface.getAuthContext().sslPeerCertificate?.subjectaltname),
    remainingMs: remainingMs(surface),
    traced: (span) => rememberTrace(surface.metadata, span),
  };
}

function remainingMs(surface: CallSurface): number | undefined {
  const deadline = surface.getDeadline();
  const epochMs = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(epochMs) ? epochMs - Date.now() : undefined;
}
