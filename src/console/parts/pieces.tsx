import type { Token } from "../../gen/albert/v1/inference_pb.js";

/** The pieces a text was cut into, as the model sees them. */
export function Pieces({ tokens }: { readonly tokens: readonly Token[] }) {
  return (
    <details class="pieces">
      <summary>
        {tokens.length} {tokens.length === 1 ? "token" : "tokens"}
      </summary>
      <p>
        {tokens.map((token, index) => (
          <code
            key={`${index}-${token.id}`}
            class={token.special ? "special" : token.segment === 1 ? "second" : ""}
            title={`id ${token.id}`}
          >
            {token.piece}
          </code>
        ))}
      </p>
    </details>
  );
}
