import { useState } from "preact/hooks";

// The call that the page has just made, as it is made from elsewhere.

const KINDS = ["curl", "grpcurl", "Python", "TypeScript"] as const;

/** A word that a shell takes as it stands. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function snippetOf(kind: (typeof KINDS)[number], method: string, body: object): string {
  const { origin, hostname } = window.location;
  const json = JSON.stringify(body);
  const call = `albert.v1.InferenceService/${method}`;
  const address = `${hostname}:50051`;
  switch (kind) {
    case "curl":
      return `curl ${origin}/${call} -H 'content-type: application/json' \\\n  -d ${quoted(json)}`;
    case "grpcurl":
      return `grpcurl -plaintext -d ${quoted(json)} \\\n  ${address} ${call}`;
    case "Python":
      return `import json, urllib.request

body = ${JSON.stringify(json)}
request = urllib.request.Request(
    "${origin}/${call}",
    body.encode(), {"content-type": "application/json"})
print(json.load(urllib.request.urlopen(request)))`;
    case "TypeScript":
      return `import { connectAlbert } from "albert-serve/client";

const albert = connectAlbert("${address}");
const reply = await albert.${method[0]!.toLowerCase()}${method.slice(1)}(${JSON.stringify(body, null, 2)});
console.log(reply);
albert.close();`;
  }
}

/** Exactly this call for four callers, to be copied. */
export function Snippets({ method, body }: { readonly method: string; readonly body: object }) {
  const [kind, setKind] = useState<(typeof KINDS)[number]>("curl");
  const [copied, setCopied] = useState(false);
  const text = snippetOf(kind, method, body);
  return (
    <details class="snippets">
      <summary>This call from a program</summary>
      <fieldset class="tabs">
        <legend class="visually-hidden">Caller</legend>
        {KINDS.map((one) => (
          <button
            key={one}
            type="button"
            aria-pressed={one === kind}
            onClick={() => {
              setKind(one);
              setCopied(false);
            }}
          >
            {one}
          </button>
        ))}
      </fieldset>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>{text}</pre>
      <button
        type="button"
        class="quiet"
        onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
      >
        {copied ? "Copied" : "Copy"}
      </button>
      {(kind === "grpcurl" || kind === "TypeScript") && (
        <p class="muted">The server's public gRPC address; 50051 is its usual port.</p>
      )}
    </details>
  );
}
