import { useState } from "preact/hooks";
import { Problems } from "./calls/problems.tsx";
import { textsOf } from "./words/texts-of.ts";

/** Many texts: typed or pasted one a line, or out of a file that is chosen or dropped. */
export function TextsField({
  texts,
  onChange,
}: {
  readonly texts: readonly string[];
  readonly onChange: (texts: readonly string[]) => void;
}) {
  const [problems, setProblems] = useState<readonly string[]>([]);
  const [typed, setTyped] = useState("");
  const read = async (file: File | undefined) => {
    if (file === undefined) return;
    try {
      const found = textsOf(await file.text(), file.name);
      setProblems(found.length === 0 ? [`${file.name} holds no text.`] : []);
      onChange(found);
      setTyped("");
    } catch (error) {
      setProblems([`${file.name} cannot be read: ${error instanceof Error ? error.message : error}`]);
    }
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping a file is a second way to what the field of files does
    <div
      class="texts-field"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        void read(event.dataTransfer?.files[0]);
      }}
    >
      <label>
        Texts <small>one a line</small>
        <textarea
          rows={6}
          value={typed}
          placeholder={"The invoice is wrong.\nI cannot sign in."}
          onInput={(event) => {
            setTyped(event.currentTarget.value);
            onChange(textsOf(event.currentTarget.value));
          }}
        />
      </label>
      <label>
        Or a file <small>text, CSV, TSV or JSONL; it stays in this page</small>
        <input
          type="file"
          accept=".txt,.csv,.tsv,.jsonl"
          onChange={(event) => void read(event.currentTarget.files?.[0])}
        />
      </label>
      <p class="muted" aria-live="polite">
        {texts.length === 0 ? "" : `${texts.length.toLocaleString("en")} ${texts.length === 1 ? "text" : "texts"}`}
      </p>
      <Problems problems={problems} />
    </div>
  );
}
