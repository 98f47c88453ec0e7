import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import {
  type AccessList,
  formatAccessList,
  grantViolations,
  NOBODY,
  nameViolation,
  parseAccessList,
} from "../../access/access-file.ts";
import type { Grant } from "../../access/caller.ts";
import { CALLER_LIMITS, limitViolations, type OwnLimits } from "../../access/caller-limits.ts";
import { withFileLock } from "../../access/file-lock.ts";
import { SCOPES, type Scope } from "../../access/scopes.ts";
import { newToken, tokenHash } from "../../access/tokens.ts";
import { loadProcessConfig } from "../../config/sources.ts";
import { AlbertError, invalidInput } from "../../errors.ts";
import { replaceFile } from "../../platform/atomic-files.ts";

import { table } from "../admin/admin-call.ts";

// `albert tokens`: the file of those who may call. A server that was started with it follows it.

interface FileFlags {
  readonly file?: string;
  readonly json?: true;
}

interface CreateFlags extends FileFlags {
  readonly name?: string;
  readonly certificate?: string;
  readonly scope: readonly string[];
  readonly model?: readonly string[];
  readonly limit?: OwnLimits;
  readonly expiresDays?: number;
}

const DAY_MS = 86_400_000;

/** Adds `albert tokens create`, `list` and `revoke`. */
export function registerTokens(program: Command): void {
  const tokens = program.command("tokens").description("say who may call a server: tokens and client certificates");
  const scopes = Object.entries(SCOPES).map(([scope, what]) => `${scope} (${what})`);
  addFileOptions(tokens.command("create"))
    .description("make a token, print it once, and keep its hash; or let a client certificate in")
    .option("--name <name>", "who or what the token is for, as logs shall say it")
    .option(
      "--certificate <name>",
      "in place of a token: a certificate's DNS:..., URI:..., IP Address:... or email:...",
    )
    .requiredOption("--scope <scopes>", `what it allows, separated by commas: ${scopes.join("; ")}`, commas)
    .option(
      "--model <patterns>",
      "names of models that it is for, separated by commas, * for any letters (default: *)",
      commas,
    )
    .option(
      "--limit <limits>",
      `name=number, separated by commas, in place of the server's limits.*; 0: no limit. Names: ${Object.keys(CALLER_LIMITS).join(", ")}`,
      limitsOf,
    )
    .option("--expires-days <days>", "days until the token no longer holds (default: never)", days)
    .action(create);
  addFileOptions(tokens.command("list").description("list who may call")).action(async (flags: FileFlags) => {
    const list = await readList(fileOf(flags));
    print(flags, list, () => listLines(list));
  });
  addFileOptions(tokens.command("revoke <name>"))
    .description("take a token's or certificate's rights away: by id, or by a name that only one has")
    .action(revoke);
}

function addFileOptions(command: Command): Command {
  return command
    .option("--file <file>", "file of those who may call (default: auth.tokens_file of this environment's settings)")
    .option("--json", "print JSON");
}

async function create(flags: CreateFlags): Promise<void> {
  const file = fileOf(flags);
  const grant = grantOf(flags);
  const { certificate } = flags;
  if (certificate !== undefined) {
    const entry = { name: certificate, ...grant };
    await change(file, (list) => {
      if (list.certificates.some(({ name }) => name === certificate)) throw taken(certificate);
      return { ...list, certificates: [...list.certificates, entry] };
    });
    print(flags, entry, () => [`${entry.name} may call`]);
    return;
  }
  const { id, token } = newToken();
  const created = Date.now();
  const entry = {
    id,
    name: flags.name ?? "",
    sha256: tokenHash(token),
    ...grant,
    created,
    ...(flags.expiresDays === undefined ? {} : { expires: created + flags.expiresDays * DAY_MS }),
  };
  await change(file, (list) => ({ ...list, tokens: [...list.tokens, entry] }));
  if (flags.json) process.stdout.write(`${JSON.stringify({ ...entry, token }, null, 2)}\n`);
  else {
    process.stderr.write(`token ${entry.name} (${id}): this is the only time that it is shown\n`);
    process.stdout.write(`${token}\n`);
  }
}

/** Reads, changes and writes the file while no other command does. */
async function change(file: string, changed: (list: AccessList) => AccessList): Promise<void> {
  await withFileLock(file, async () => replaceFile(file, formatAccessList(changed(await readList(file)))));
}

function grantOf({ name, certificate, scope, model = ["*"], limit, expiresDays }: CreateFlags): Grant {
  const given = certificate ?? name;
  const kind = certificate === undefined ? "token" : "certificate";
  const violation = given === undefined ? "is missing" : nameViolation(kind, given);
  const violations = [
    ...grantViolations({ scopes: scope, models: model }),
    ...(violation === undefined
      ? []
      : [{ field: certificate === undefined ? "--name" : "--certificate", description: violation }]),
    ...(certificate !== undefined && expiresDays !== undefined
      ? [{ field: "--expires-days", description: "a certificate has its own end" }]
      : []),
    ...(certificate !== undefined && name !== undefined
      ? [{ field: "--name", description: "a certificate has a name of its own" }]
      : []),
  ];
  if (violations.length > 0) throw invalidInput(violations);
  return { scopes: scope as Scope[], models: model, ...(limit === undefined ? {} : { limits: limit }) };
}

async function revoke(name: string, flags: FileFlags): Promise<void> {
  const file = fileOf(flags);
  let id = name;
  await change(file, (list) => {
    const { tokens, certificates } = withoutOne(list, name);
    id = list.tokens.find((token) => !tokens.includes(token))?.id ?? name;
    return { tokens, certificates };
  });
  print(flags, { revoked: id }, () => [`${name} may no longer call`]);
}

/** The list without the one entry of that id or name. @throws AlbertError not-found (TOKEN_NOT_FOUND) for none or several */
function withoutOne(list: AccessList, name: string): AccessList {
  const byId = list.tokens.filter(({ id }) => id === name);
  const found = byId.length > 0 ? byId : list.tokens.filter((token) => token.name === name);
  const certificates = list.certificates.filter((certificate) => certificate.name === name);
  if (found.length + certificates.length !== 1) {
    const several = found.map(({ id }) => id).join(", ");
    const what =
      several === ""
        ? `no entry is called ${name}: see albert tokens list`
        : `several are called ${name}: give the id, one of ${several}`;
    throw new AlbertError("not-found", what, { reason: "TOKEN_NOT_FOUND" });
  }
  return {
    tokens: list.tokens.filter((token) => !found.includes(token)),
    certificates: list.certificates.filter((certificate) => !certificates.includes(certificate)),
  };
}

function fileOf({ file }: FileFlags): string {
  const path = file ?? loadProcessConfig().config.auth.tokensFile;
  if (path !== "") return path;
  throw invalidInput([{ field: "--file", description: "is missing, and the settings name no auth.tokens_file" }]);
}

async function readList(file: string): Promise<AccessList> {
  try {
    return parseAccessList(await readFile(file, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return NOBODY;
    throw error;
  }
}

function taken(name: string) {
  return new AlbertError("already-exists", `${name} may call already: revoke it first`, { reason: "TOKEN_EXISTS" });
}

function listLines({ tokens, certificates }: AccessList): string[] {
  const time = (ms: number | undefined) => (ms === undefined ? "never" : new Date(ms).toISOString().slice(0, 16));
  const rows = [
    ...tokens.map(({ id, name, scopes, models, expires }) => [
      id,
      name,
      scopes.join(","),
      models.join(","),
      expires !== undefined && expires <= Date.now() ? "EXPIRED" : time(expires),
    ]),
    ...certificates.map(({ name, scopes, models }) => ["certificate", name, scopes.join(","), models.join(","), ""]),
  ];
  return table(["ID", "NAME", "SCOPES", "MODELS", "EXPIRES"], rows, "no caller is admitted: albert tokens create");
}

function print({ json }: FileFlags, value: object, lines: () => readonly string[]): void {
  process.stdout.write(`${json ? JSON.stringify(value, null, 2) : lines().join("\n")}\n`);
}

function commas(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(",").map((part) => part.trim())];
}

function limitsOf(text: string, before: OwnLimits = {}): OwnLimits {
  const given = Object.fromEntries(
    commas(text)
      .map((part) => part.split("=", 2))
      .map(([name, value]) => [name, Number(value)]),
  );
  const violations = limitViolations(given, "limits");
  if (violations.length > 0)
    throw new InvalidArgumentError(violations.map(({ description }) => description).join("; "));
  return { ...before, ...given };
}

function days(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 36_500)) throw new InvalidArgumentError("expected 1 to 36500 days, or a part of one");
  return value;
}
