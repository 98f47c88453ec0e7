/** Offers a text that the page has as a file. */
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
    <button
      type="button"
      class="quiet"
      onClick={() => {
        const url = URL.createObjectURL(new Blob([text()], { type }));
        const link = document.createElement("a");
        link.href = url;
        link.download = name;
        link.click();
        setTimeout(() => URL.revokeObjectURL(url), 10_000);
      }}
    >
      {children}
    </button>
  );
}
