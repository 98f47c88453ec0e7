// What the address of the page says besides the view: `#/versions?of=reviews@2`. Whatever a person would hand on stands there.

/** The parameters after the question mark of the address. */
export function addressParameters(): URLSearchParams {
  return new URLSearchParams(window.location.hash.split("?", 2)[1] ?? "");
}

/** A link to a view with parameters; those that are empty are left out. */
export function hrefOf(view: string, parameters: Readonly<Record<string, string>> = {}): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== "");
  return given.length === 0 ? `#/${view}` : `#/${view}?${new URLSearchParams(given)}`;
}

/** Says in the address what the view shows now, without going anywhere. */
export function keepInAddress(view: string, parameters: Readonly<Record<string, string>>): void {
  window.history.replaceState(null, "", hrefOf(view, parameters));
}
