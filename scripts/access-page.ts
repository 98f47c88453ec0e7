// The page docs/access.md: who may call what, made from the tables of scopes and routes.
import { SCOPES } from "../src/access/scopes.ts";
import { HTTP_ROUTES, ROUTES, type Route } from "../src/server/access/routes.ts";

/** The text of docs/access.md. */
export function accessPage(): string {
  const scopes = Object.entries(SCOPES).map(([scope, what]) => `| \`${scope}\` | ${what} |`);
  const methods = [...ROUTES].map(([name, route]) => `| \`${name}\` | ${needs(route)} | ${limits(route)} |`);
  const paths = HTTP_ROUTES.map(
    ({ listener, path, scopes }) => `| ${listener} | ${path} | ${scopes === undefined ? "open" : words(scopes)} |`,
  );
  return `${[
    "# Who may call what",
    "",
    "This page is generated from the tables in the source: `npm run docs`. [security.md](security.md) says how callers are known.",
    "",
    "| scope | allows to |",
    "|---|---|",
    ...scopes,
    "",
    "No scope includes another. A credential is for all models or for some, by patterns of their names; search indexes are held to the same patterns.",
    "",
    "| method | needs one of | limited to models |",
    "|---|---|---|",
    ...methods,
    "",
    "`+ promote`: the request needs this scope besides where the job promotes its result by itself (`auto-if-better`). A job may start from versions of another model only by a credential that is",
    "also for that one. What does not tell its model (a digest, an unknown job, the whole store) takes a credential for all models.",
    "",
    "| listener | path of HTTP | needs |",
    "|---|---|---|",
    ...paths,
  ].join("\n")}\n`;
}

function needs({ scopes, open, besides }: Route): string {
  const needed = `${words(scopes)}${besides === undefined ? "" : " + promote"}`;
  return open ? `open; for the name of a model ${needed}` : needed;
}

function limits({ models, visible }: Route): string {
  if (models !== undefined) return visible === undefined ? "yes" : "yes, and the reply shows only these";
  return visible === undefined ? "no" : "the reply shows only these";
}

function words(scopes: readonly string[]): string {
  return scopes.map((scope) => `\`${scope}\``).join(", ");
}
