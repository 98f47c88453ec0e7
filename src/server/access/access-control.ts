import {
  create,
  type DescMethod,
  type DescService,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import type { AuditLog } from "../../access/audit-log.ts";
import type { Authenticator, Credentials } from "../../access/authenticator.ts";
import { type Caller, mayAny, mayModel } from "../../access/caller.ts";
import type { Scope } from "../../access/scopes.ts";
import { Sessions } from "../../access/sessions.ts";
import { AlbertError } from "../../errors.ts";
import type {
  BidiStreamHandler,
  CallContext,
  IncomingCall,
  ServerStreamHandler,
  ServiceHandlers,
  UnaryHandler,
} from "../call/call.ts";
import type { Authorizer } from "../call/interceptors.ts";
import { targetOf } from "./audit.ts";
import { credentialsRefused, notAllowed } from "./refusals.ts";
import { type Lookup, methodName, ROUTES, type Route } from "./routes.ts";

type Request = MessageShape<DescMethod["input"]>;
type Reply = MessageInitShape<DescMethod["output"]>;

/** How long a browser stays signed in. */
const SESSION_LIFE_MS = 30 * 60_000;

/**
 * Holds every call to the table of routes: who calls and with which scope is known before a message is read (`authorize`),
 * which models it touches once it is decoded, and what of a reply a caller may see who is limited to some (`guard`). All
 * refusals of a kind are alike, whatever was wrong and whether or not a thing exists.
 */
export class AccessControl {
  readonly #authenticator: Authenticator;
  readonly #lookup: Lookup;
  readonly #audit: AuditLog | undefined;
  readonly #sessions = new Sessions(SESSION_LIFE_MS);

  constructor(authenticator: Authenticator, lookup: Lookup, audit?: AuditLog) {
    this.#audit = audit;
    this.#authenticator = authenticator;
    this.#lookup = lookup;
  }

  /** @throws AlbertError unauthenticated CREDENTIALS_REFUSED; forbidden NOT_ALLOWED */
  readonly authorize: Authorizer = (call) => {
    const route = ROUTES.get(call.method);
    const found = this.callerOf(credentialsOf(call));
    return found instanceof Promise ? found.then((caller) => admit(call, route, caller)) : admit(call, route, found);
  };

  /**
   * Who makes a request of HTTP that is no call.
   *
   * @returns the status of a refusal, 401 or 403; undefined for a caller who has one of the scopes
   */
  async refusal(
    request: { readonly credentials: Credentials; readonly peer: string; readonly path: string },
    scopes: readonly Scope[],
  ): Promise<401 | 403 | undefined> {
    const caller = await this.callerOf(request.credentials);
    if (caller !== undefined && mayAny(caller, scopes)) return undefined;
    const outcome = caller === undefined ? "CREDENTIALS_REFUSED" : "NOT_ALLOWED";
    this.#audit?.write({ caller: caller?.name, peer: request.peer, method: request.path, outcome }, true);
    return caller === undefined ? 401 : 403;
  }

  /** Who shows these credentials: a token decides alone, then a browser's session, then a certificate. */
  callerOf(credentials: Credentials): Caller | undefined | Promise<Caller | undefined> {
    const { authorization, sessionId } = credentials;
    const session = authorization === undefined && sessionId !== undefined ? this.#sessions.find(sessionId) : undefined;
    return session ?? this.#authenticator.authenticate(credentials);
  }

  /** Begins a session for a browser that shows a token. @returns its id; undefined without a token that holds */
  async signIn(credentials: Credentials): Promise<string | undefined> {
    if (credentials.authorization === undefined) return undefined;
    const caller = await this.#authenticator.authenticate(credentials);
    return caller === undefined ? undefined : this.#sessions.begin(caller);
  }

  signOut(sessionId: string): void {
    this.#sessions.end(sessionId);
  }

  readonly sessionLifeMs = SESSION_LIFE_MS;

  /** Where refusals are written, if anywhere. */
  get audit(): AuditLog | undefined {
    return this.#audit;
  }

  /** The handlers of a service behind what the table says of the models of each message. */
  guard<S extends DescService>(service: S, handlers: ServiceHandlers<S>): ServiceHandlers<S> {
    const guarded = service.methods.map((method) => {
      // One handler per method of S, of the method's kind; the loop loses that link.
      const handler = handlers[method.localName as keyof S["method"]] as unknown;
      return [method.localName, this.#guarded(method, handler)];
    });
    return Object.fromEntries(guarded) as ServiceHandlers<S>;
  }

  #guarded(method: DescMethod, handler: unknown): unknown {
    const route = ROUTES.get(methodName(method));
    if (route === undefined) {
      return () => {
        throw notAllowed();
      };
    }
    switch (method.methodKind) {
      case "unary":
        return (request: Request, context: CallContext) =>
          this.#unary(method, route, handler as UnaryHandler<DescMethod>, request, context);
      case "server_streaming":
        return (request: Request, context: CallContext) => {
          this.#check(route, request, context);
          return this.#replies(method, route, (handler as ServerStreamHandler<DescMethod>)(request, context), context);
        };
      default:
        return (requests: AsyncIterable<Request>, context: CallContext) => {
          const checked = this.#requests(route, requests, context);
          return this.#replies(method, route, (handler as BidiStreamHandler<DescMethod>)(checked, context), context);
        };
    }
  }

  async #unary(
    method: DescMethod,
    route: Route,
    handler: UnaryHandler<DescMethod>,
    request: Request,
    context: CallContext,
  ): Promise<Reply> {
    this.#check(route, request, context);
    try {
      const reply = await handler(request, context);
      return this.#visible(method, route, reply, context) ?? {};
    } catch (error) {
      throw withoutOtherNames(error, context.caller);
    }
  }

  async *#requests(route: Route, requests: AsyncIterable<Request>, context: CallContext): AsyncGenerator<Request> {
    for await (const request of requests) {
      requireValid(context);
      this.#check(route, request, context);
      yield request;
    }
  }

  async *#replies(
    method: DescMethod,
    route: Route,
    replies: AsyncIterable<Reply>,
    context: CallContext,
  ): AsyncGenerator<Reply> {
    try {
      for await (const reply of replies) {
        requireValid(context);
        const visible = this.#visible(method, route, reply, context);
        if (visible !== undefined) yield visible;
      }
    } catch (error) {
      throw withoutOtherNames(error, context.caller);
    }
  }

  #check(route: Route, request: Request, context: CallContext): void {
    const { caller } = context;
    if (!route.scopes.includes("infer")) context.aim?.(targetOf(request));
    // Whoever is for all models passed when the scope was looked at: the models of each call need not be worked out.
    if (caller !== undefined && !route.open && route.besides === undefined && mayModel(caller, undefined)) return;
    const models = route.models?.(request, this.#lookup) ?? [];
    const besides = route.besides?.(request, this.#lookup) ?? [];
    if (models.length === 0 && besides.length === 0) return;
    if (caller === undefined) throw credentialsRefused();
    const allowed =
      mayAny(caller, route.scopes) &&
      models.every((model) => mayModel(caller, model)) &&
      besides.every((scope) => caller.scopes.includes(scope));
    if (!allowed) throw notAllowed();
  }

  #visible(method: DescMethod, route: Route, reply: Reply, { caller }: CallContext): Reply | undefined {
    if (route.visible === undefined || caller === undefined || mayModel(caller, undefined)) return reply;
    return route.visible(create(method.output, reply), (model) => mayModel(caller, model));
  }
}

function admit(call: IncomingCall, route: Route | undefined, caller: Caller | undefined): void {
  if (caller !== undefined) {
    call.admit(caller);
    call.annotate({ caller: caller.name });
  }
  if (route?.open) return;
  if (caller === undefined) throw credentialsRefused();
  if (route === undefined || !mayAny(caller, route.scopes)) throw notAllowed();
}

function credentialsOf(call: IncomingCall): Credentials {
  const { sessionId } = call;
  return { authorization: call.header("authorization"), sessionId, certificateNames: () => call.certificateNames() };
}

function requireValid({ caller }: CallContext): void {
  if (caller !== undefined && !caller.valid()) throw credentialsRefused();
}

/** An unknown name is answered with those that there are; a caller for some models does not learn of others. */
function withoutOtherNames(error: unknown, caller: Caller | undefined): unknown {
  if (caller === undefined || mayModel(caller, undefined)) return error;
  if (!(error instanceof AlbertError)) return error;
  const { code, reason, metadata } = error;
  const { models, indexes, nearest: _, ...kept } = metadata;
  if (models === undefined && indexes === undefined) return error;
  const kind = models === undefined ? "index" : "model";
  return new AlbertError(code, `no ${kind} of that name is served here`, { reason, metadata: kept });
}
