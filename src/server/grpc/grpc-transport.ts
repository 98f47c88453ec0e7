import type { Deadline, Metadata } from "@grpc/grpc-js";
import type { Span } from "../../tracing/span.ts";
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
export class GrpcTransport implements Transport {
  readonly remainingMs: number | undefined;
  readonly requestBytes: number;
  readonly #surface: CallSurface;

  /** @param requestBytes  0 where they are not known yet */
  constructor(surface: CallSurface, requestBytes: number) {
    this.#surface = surface;
    this.requestBytes = requestBytes;
    this.remainingMs = remainingMs(surface);
  }

  peer(): string {
    return this.#surface.getPeer();
  }

  header(name: string): string | undefined {
    const value = this.#surface.metadata.get(name)[0];
    return typeof value === "string" ? value : undefined;
  }

  certificateNames(): readonly string[] {
    return alternativeNames(this.#surface.getAuthContext().sslPeerCertificate?.subjectaltname);
  }

  traced(span: Span): void {
    rememberTrace(this.#surface.metadata, span);
  }
}

function remainingMs(surface: CallSurface): number | undefined {
  const deadline = surface.getDeadline();
  const epochMs = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(epochMs) ? epochMs - Date.now() : undefined;
}
