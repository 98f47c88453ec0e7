import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { AuditLog } from "../../access/audit-log.ts";
import { AlbertError } from "../../errors.ts";
import type { IncomingCall } from "../call/call.ts";
import type { Ending, Interceptor } from "../call/interceptors.ts";
import { ROUTES } from "./routes.ts";

// What of a call goes into the audit log.

/** Writes calls that change something, and those that were refused to their callers. */
export function auditCalls(log: AuditLog): Interceptor {
  const write = (call: IncomingCall, outcome: string, refused: boolean) => {
    const { caller, peer, method, requestId } = call;
    const target = call.target === undefined ? {} : { target: call.target };
    log.write({ caller: caller?.name, peer, method, request_id: requestId, ...target, outcome }, refused);
  };
  const end: Ending = (call, error) => {
    const refused = error instanceof AlbertError && ["unauthenticated", "forbidden"].includes(error.code);
    if (!refused && !changesSomething(call.method)) return;
    if (error !== undefined) write(call, error instanceof AlbertError ? error.reason : "BUG", refused);
    else if (!ROUTES.get(call.method)?.unaudited) write(call, "ok", false);
  };
  return () => end;
}

function changesSomething(method: string): boolean {
  const route = ROUTES.get(method);
  return route !== undefined && !route.scopes.some((scope) => scope === "infer" || scope === "read");
}

/** Fields that name what a request is about; all others may hold texts. */
const NAMING = ["model", "version", "challengerVersion", "alias", "jobId", "digest", "uploadId"] as const;
const NAME = /^[\w.@/:+-]{1,128}$/;

/** Names, ids and numbers of a request by which a reader of the log knows what was meant. */
export function targetOf(request: MessageShape<DescMessage>): Readonly<Record<string, string | number>> {
  // Messages of every method come here; their fields are looked for by name.
  const { spec, overrides, ...own } = request as unknown as Readonly<Record<string, unknown>>;
  const about = { ...(overrides as object | undefined), ...(spec as object | undefined), ...own } as Readonly<
    Record<string, unknown>
  >;
  const found = NAMING.flatMap((field) => {
    const value = about[field];
    const fits = typeof value === "number" ? value !== 0 : typeof value === "string" && NAME.test(value);
    return fits ? [[field, value] as const] : [];
  });
  return Object.fromEntries(found) as Record<string, string | number>;
}
