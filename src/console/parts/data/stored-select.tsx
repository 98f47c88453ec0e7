import type { Dataset } from "../../../gen/albert/v1/training_pb.js";

/** Chooses one of the data sets that are stored, the newest first. @param none  what it is called to choose none */
export function StoredSelect({
  label,
  none,
  stored,
  value,
  onChange,
}: {
  readonly label: string;
  readonly none: string;
  readonly stored: readonly Dataset[];
  readonly value: string;
  readonly onChange: (digest: string) => void;
}) {
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">{none}</option>
        {value !== "" && !stored.some(({ digest }) => digest === value) && (
          <option value={value}>{value.slice(0, 12)}</option>
        )}
        {[...stored].reverse().map(({ digest, name }) => (
          <option key={digest} value={digest}>
            {name} ({digest.slice(0, 8)})
          </option>
        ))}
      </select>
    </label>
  );
}
