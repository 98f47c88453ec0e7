/** Chooses among the models that can do a task. */
export function ModelSelect({
  models,
  value,
  onChange,
}: {
  readonly models: readonly string[];
  readonly value: string;
  readonly onChange: (model: string) => void;
}) {
  return (
    <label>
      Model
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {models.map((model) => (
          <option key={model} value={model}>
            {model}
          </option>
        ))}
      </select>
    </label>
  );
}
