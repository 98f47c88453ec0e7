import { countOf, NOTHING, type Pending } from "./pending.ts";

// Changes that are not stored yet stay in this tab, over a reload too.

const keyOf = (digest: string) => `albert-data-${digest}`;

export function readPending(digest: string): Pending {
  try {
    const kept = window.sessionStorage.getItem(keyOf(digest));
    return kept === null ? NOTHING : { ...NOTHING, ...(JSON.parse(kept) as Pending) };
  } catch {
    return NOTHING;
  }
}

/** Keeps changes; those that are too many for the browser to keep are lost by a reload. */
export function keepPending(digest: string, pending: Pending): void {
  try {
    if (countOf(pending) === 0) window.sessionStorage.removeItem(keyOf(digest));
    else window.sessionStorage.setItem(keyOf(digest), JSON.stringify(pending));
  } catch {
    window.sessionStorage.removeItem(keyOf(digest));
  }
}
