/** How often a further data set is drawn from. */
export function ShareField({
  value,
  onChange,
}: {
  /** Percent, as it was typed. */
  readonly value: string;
  readonly onChange: (percent: string) => void;
}) {
  return (
    <label>
      Its share of what is drawn <small>percent</small>
      <input type="number" min="1" max="99" value={value} onInput={(event) => onChange(event.currentTarget.value)} />
    </label>
  );
}
