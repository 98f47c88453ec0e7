// What the program needs of traces. Types alone: nothing here knows OpenTelemetry, and where tracing is off nothing is made.

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** The place of a span in its trace, as W3C's Trace Context has it. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Whether the trace is kept. */
  readonly sampled: boolean;
  /** `tracestate`: what the systems that the trace came through keep in it, for their own use. */
  readonly state?: string;
}

/** A part of a span that is over: from when to when, on the clock of `performance.now()`. */
export interface Part {
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes?: Attributes;
  /** Spans of this or other traces that this part also belongs to. */
  readonly links?: readonly TraceContext[];
  /** Machine reason of a failure. */
  readonly error?: string;
}

/** A span that is not over. */
export interface Span {
  readonly context: TraceContext;
  annotate(attributes: Attributes): void;
  /** Adds a part that is over. */
  part(part: Part): void;
  /** @param error  machine reason, where it failed */
  end(error?: string): void;
}

/** Starts spans. */
export interface Tracer {
  /**
   * The span of a call.
   *
   * @param startedAt  on the clock of `performance.now()`
   * @param parent  the caller's; undefined: the call begins a trace
   */
  call(name: string, startedAt: number, parent: TraceContext | undefined, attributes: Attributes): Span;
  /** A trace of its own for something that is over. */
  event(part: Part, parts?: readonly Part[]): void;
  /** Sends what is left. Never rejects. */
  close(): Promise<void>;
}
