/** Inputs to begin with, one press each. */
export function Examples<T>({
  examples,
  onChoose,
}: {
  readonly examples: readonly (readonly [name: string, example: T])[];
  readonly onChoose: (example: T) => void;
}) {
  return (
    <p class="examples">
      <span class="muted">Examples</span>
      {examples.map(([name, example]) => (
        <button key={name} type="button" class="chip" onClick={() => onChoose(example)}>
          {name}
        </button>
      ))}
    </p>
  );
}
