import { useState } from "preact/hooks";
import type { Dataset } from "../../../gen/albert/v1/training_pb.js";
import { uploadDataset } from "../../upload.ts";
import { Problems } from "../calls/problems.tsx";
import { useCall } from "../calls/use-call.ts";
import { StoredSelect } from "./stored-select.tsx";

/** A file that is chosen or dropped and goes into the store at once, or one of the data sets that are there. */
export function ChooseData({
  stored,
  value,
  onChoose,
}: {
  readonly stored: readonly Dataset[];
  /** Digest of what is chosen; empty: nothing yet. */
  readonly value: string;
  readonly onChoose: (digest: string) => void;
}) {
  const [sent, setSent] = useState(0);
  const [call, send] = useCall(async (signal, file: File) => {
    setSent(0);
    onChoose(await uploadDataset(file, signal, setSent));
  });
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping a file is a second way to what the field of files does
    <div
      class="texts-field"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        const file = event.dataTransfer?.files[0];
        if (file !== undefined) void send(file);
      }}
    >
      <label>
        A file <small>choose or drop it here: CSV, TSV, JSONL or JSON, also gzipped; it is stored on the server</small>
        <input
          type="file"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            if (file !== undefined) void send(file);
          }}
        />
      </label>
      {stored.length > 0 && (
        <StoredSelect label="Or one that is stored" none="choose …" stored={stored} value={value} onChange={onChoose} />
      )}
      <div aria-live="polite">
        {call.state === "running" && <progress aria-label="Upload" value={sent} max={1} />}
        {call.state === "failed" && <Problems problems={call.problems} />}
      </div>
    </div>
  );
}
