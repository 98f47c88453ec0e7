import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Problems } from "./problems.tsx";
import { useCall } from "./use-call.ts";

/** Reads once what a view needs before it can be shown; while that lasts says so, and where it fails why, with a button to try again. */
export function Loaded<T>({
  what,
  read,
  children,
}: {
  /** What is looked for, in the plural. */
  readonly what: string;
  readonly read: (signal: AbortSignal) => Promise<T>;
  readonly children: (value: T) => ComponentChildren;
}) {
  const [call, load] = useCall(read);
  useEffect(() => {
    void load();
  }, [load]);
  if (call.state === "done") return <>{children(call.value)}</>;
  if (call.state !== "failed") return <p class="muted">Looking for {what} …</p>;
  return (
    <>
      <Problems problems={call.problems} />
      <button type="button" onClick={() => void load()}>
        Try again
      </button>
    </>
  );
}
