import { Code, ConnectError } from "@connectrpc/connect";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Job } from "../../../gen/albert/v1/training_pb.js";
import { training } from "../../api.ts";
import { Problems } from "../../parts/calls/problems.tsx";
import { useCall } from "../../parts/calls/use-call.ts";

/** Edits the note and the tags of a run. What somebody else changed meanwhile is shown before it is replaced. */
export function NoteDialog({
  job,
  onSaved,
  onClose,
}: {
  readonly job: Job;
  readonly onSaved: (job: Job) => void;
  readonly onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [seen, setSeen] = useState(job);
  const [note, setNote] = useState(job.note);
  const [tags, setTags] = useState(job.tags.join(", "));
  const [call, save] = useCall(async (signal) => {
    const wanted = tagsOf(tags);
    const change = {
      jobId: job.id,
      note: note.trim(),
      addTags: wanted,
      removeTags: seen.tags.filter((tag) => !wanted.includes(tag)),
      revision: seen.annotationRevision,
    };
    try {
      return (await training.annotateJob(change, { signal })).job;
    } catch (error) {
      if (ConnectError.from(error).code === Code.Aborted) {
        const now = (await training.getJob({ jobId: job.id }, { signal })).job;
        if (now !== undefined) setSeen(now);
      }
      throw error;
    }
  });
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby="note-title" onClose={onClose}>
      <form
        onSubmit={async (event) => {
          event.preventDefault();
          const saved = await save();
          if (saved !== undefined) onSaved(saved);
        }}
      >
        <h2 id="note-title">Note of {job.id.slice(0, 8)}</h2>
        <label>
          Note
          <textarea rows={4} maxLength={10_000} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
        </label>
        <label>
          Tags <small>separated by commas</small>
          <input value={tags} onInput={(event) => setTags(event.currentTarget.value)} />
        </label>
        {call.state === "failed" && <Problems problems={call.problems} />}
        {seen !== job && (
          <p role="status">
            It now has the tags {seen.tags.join(", ") || "–"} and the note: {seen.note || "–"} Save again to replace
            them.
          </p>
        )}
        <div class="actions">
          <button type="submit" disabled={call.state === "running"}>
            Save
          </button>
          <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
            Leave it
          </button>
        </div>
      </form>
    </dialog>
  );
}

function tagsOf(text: string): string[] {
  const tags = text.split(",").map((tag) => tag.trim());
  return [...new Set(tags.filter((tag) => tag !== ""))];
}
