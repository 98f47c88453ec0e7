// Offers what the page has, or gets from the server, as a file.

/** A button that saves a text as a file. */
export function Download({
  name,
  type,
  text,
  children,
}: {
  readonly name: string;
  readonly type: string;
  /** Made when it is asked for. */
  readonly text: () => string;
  readonly children: string;
}) {
  return (
    <button type="button" class="quiet" onClick={() => saveFile(name, type, [text()])}>
      {children}
    </button>
  );
}

/** Gives a person a file to keep. */
export function saveFile(name: string, type: string, parts: BlobPart[]): void {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
