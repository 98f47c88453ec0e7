import { plainText } from "./plain-text.ts";

// HTML by parts: whatever comes from data is escaped before it becomes markup.

/** Text that is HTML already. */
export interface Markup {
  readonly html: string;
}

/** HTML with values put in: texts and numbers are escaped, markup and lists of it stand as they are. */
export function markup(
  strings: TemplateStringsArray,
  ...values: readonly (string | number | Markup | readonly Markup[])[]
): Markup {
  const parts = strings.map((text, i) => {
    const value = values[i];
    if (value === undefined) return text;
    if (typeof value === "string" || typeof value === "number") return text + escaped(String(value));
    if ("html" in value) return text + value.html;
    return text + value.map(({ html }) => html).join("");
  });
  return { html: parts.join("") };
}

export const NOTHING: Markup = { html: "" };

function escaped(text: string): string {
  return visible(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

/** White space stands as it is; what is no text is left out. */
function visible(text: string): string {
  return /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u.test(text) ? plainText(text) : text;
}

/** A table with a caption; the first cell of each row names it. */
export function tableMarkup(
  caption: string,
  heading: readonly string[],
  rows: readonly (readonly (string | number | Markup)[])[],
): Markup {
  return markup`<table><caption>${caption}</caption><thead><tr>${heading.map((cell) => markup`<th scope="col">${cell}</th>`)}</tr></thead><tbody>${rows.map(
    ([first = "", ...cells]) =>
      markup`<tr><th scope="row">${first}</th>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>`,
  )}</tbody></table>`;
}
