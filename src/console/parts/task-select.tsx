import { TASKS } from "./words/tasks.ts";

/** Chooses among the tasks that data can be for. */
export function TaskSelect({ value, onChange }: { readonly value: string; readonly onChange: (task: string) => void }) {
  return (
    <label>
      Task
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {TASKS.map((task) => (
          <option key={task}>{task}</option>
        ))}
      </select>
    </label>
  );
}
