import type { ComponentChildren } from "preact";
import { Problems } from "./problems.tsx";
import type { Call } from "./use-call.ts";

/** A form and, next to it, its outcome: nothing yet, an answer, or the reason why there is none. Ctrl+Enter sends it. */
export function Workbench<T>({
  action,
  call,
  onSubmit,
  children,
  show,
}: {
  /** What the button says. */
  readonly action: string;
  readonly call: Call<T>;
  readonly onSubmit: () => void;
  /** The fields of the form. */
  readonly children: ComponentChildren;
  readonly show: (value: T) => ComponentChildren;
}) {
  return (
    <div class="bench">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit();
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.requestSubmit();
        }}
      >
        {children}
        <div class="actions">
          <button type="submit" aria-busy={call.state === "running"}>
            {action}
          </button>
          <span class="muted keys">
            <kbd>Ctrl</kbd> <kbd>Enter</kbd>
          </span>
        </div>
      </form>
      <section class="card result" aria-label="Answer" aria-live="polite">
        {call.state === "idle" && <p class="empty">The answer will be here.</p>}
        {call.state === "running" && <p class="empty">Asking …</p>}
        {call.state === "failed" && <Problems problems={call.problems} />}
        {call.state === "done" && show(call.value)}
      </section>
    </div>
  );
}
