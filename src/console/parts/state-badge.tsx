// Shows a state as a coloured word.

export type Tone = "good" | "bad" | "active" | "quiet";

/** A state as a word with its colour; the word alone says everything. */
export function StateBadge({ tone, children }: { readonly tone: Tone; readonly children: string }) {
  return (
    <span class={`badge ${tone}`}>
      <span class="dot" aria-hidden="true" />
      {children}
    </span>
  );
}
