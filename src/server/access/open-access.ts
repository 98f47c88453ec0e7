import { NOBODY, parseAccessList } from "../../access/access-file.ts";
import { AuditLog } from "../../access/audit-log.ts";
import { Authenticator } from "../../access/authenticator.ts";
import type { SignedTokens } from "../../access/signed-tokens.ts";
import type { AuthConfig } from "../../config/settings.ts";
import { AlbertError, invariant } from "../../errors.ts";
import { WatchedFiles } from "../../platform/watched-files.ts";
import type { ServerLog } from "../log.ts";
import { AccessControl } from "./access-control.ts";
import type { Lookup } from "./routes.ts";

// Opens what knows who may call, as it is configured, and keeps it as new as its file.

/** How often the file is looked at, unless a test is in a hurry. */
const INTERVAL_MS = 1000;

export interface OpenAccess {
  readonly access: AccessControl;
  close(): Promise<void>;
}

/**
 * @returns undefined where nothing is configured: everyone who reaches a listener may call
 * @throws AlbertError precondition (AUTH_UNUSABLE) for a file that cannot be read or has a wrong entry
 */
export async function openAccess(config: AuthConfig, lookup: Lookup, log: ServerLog): Promise<OpenAccess | undefined> {
  const { tokensFile, jwks, auditFile, auditMaxBytes, auditKeep } = config;
  if (tokensFile === "" && jwks === "") return undefined;
  const signed = jwks === "" ? undefined : await openSignedTokens(config, log);
  const authenticator = new Authenticator(NOBODY, signed === undefined ? [] : [signed.tokens.verify]);
  try {
    const files =
      tokensFile === ""
        ? undefined
        : await WatchedFiles.open([tokensFile], {
            intervalMs: INTERVAL_MS,
            onChange: ([content]) => authenticator.use(parseAccessList(String(content))),
            onError: (error) =>
              log.error(
                { err: error, file: tokensFile },
                "auth.tokens_file changed and cannot be used: who was known before still is",
              ),
          });
    const audit = auditFile === "" ? undefined : await openAudit(auditFile, auditMaxBytes, auditKeep, log);
    const close = async () => {
      files?.close();
      signed?.close();
      await audit?.close();
    };
    return { access: new AccessControl(authenticator, lookup, audit), close };
  } catch (cause) {
    if (cause instanceof AlbertError && cause.reason === "AUTH_UNUSABLE") throw cause;
    const message = `auth.tokens_file ${tokensFile} cannot be used: ${(cause as Error).message}: see albert tokens --help`;
    throw new AlbertError("precondition", message, { reason: "AUTH_UNUSABLE", cause });
  }
}

/** Keys of a URL are looked after by the library that fetches them; those of a file are followed here. */
async function openSignedTokens(
  { jwks, issuer, audience }: AuthConfig,
  log: ServerLog,
): Promise<{ readonly tokens: SignedTokens; close(): void }> {
  // Only servers with an identity provider wait for the library of signatures.
  const { keysOf, publishedKeys, SignedTokens } = await import("../../access/signed-tokens.ts");
  if (/^https?:\/\//i.test(jwks)) {
    return { tokens: new SignedTokens(publishedKeys(jwks), { issuer, audience }), close: () => {} };
  }
  let tokens: SignedTokens | undefined;
  try {
    const files = await WatchedFiles.open([jwks], {
      intervalMs: INTERVAL_MS,
      onChange: ([content]) => {
        const keys = keysOf(String(content));
        if (tokens === undefined) tokens = new SignedTokens(keys, { issuer, audience });
        else tokens.use(keys);
      },
      onError: (error) =>
        log.error({ err: error, file: jwks }, "auth.jwks changed and cannot be used: the keys from before stay"),
    });
    invariant(tokens !== undefined, "a file that was opened was given to its reader");
    return { tokens, close: () => files.close() };
  } catch (cause) {
    const message = `auth.jwks ${jwks} cannot be used: ${(cause as Error).message}`;
    throw new AlbertError("precondition", message, { reason: "AUTH_UNUSABLE", cause });
  }
}

async function openAudit(file: string, maxBytes: number, keep: number, log: ServerLog): Promise<AuditLog> {
  const onError = (error: unknown) => log.error({ err: error }, "the audit log cannot be written");
  try {
    return await AuditLog.open({ file, maxBytes, keep, onError });
  } catch (cause) {
    const message = `auth.audit_file ${file} cannot be written: ${(cause as Error).message}`;
    throw new AlbertError("precondition", message, { reason: "AUTH_UNUSABLE", cause });
  }
}
