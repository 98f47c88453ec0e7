import { invalidInput } from "../../errors.ts";

const DEFAULT_PAGE = 100;
const LARGEST_PAGE = 1000;

/**
 * One page of a list whose order does not change from call to call.
 *
 * @param pageToken where the page before ended; empty for the first
 * @throws AlbertError invalid-input for a size above 1000 or a token this function did not make
 */
export function page<T>(
  items: readonly T[],
  { pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string },
): { readonly items: readonly T[]; readonly nextPageToken: string } {
  if (pageSize > LARGEST_PAGE) {
    throw invalidInput([{ field: "page_size", description: `must be at most ${LARGEST_PAGE}, got ${pageSize}` }]);
  }
  const size = pageSize === 0 ? DEFAULT_PAGE : pageSize;
  if (!/^\d{0,9}$/.test(pageToken)) {
    throw invalidInput([{ field: "page_token", description: "is not one that this call returned" }]);
  }
  const from = Number(pageToken);
  const end = from + size;
  return { items: items.slice(from, end), nextPageToken: end < items.length ? String(end) : "" };
}
