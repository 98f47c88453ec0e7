import { type AlbertError, invalidInput } from "../../errors.ts";

// Cuts lists into pages, so that one call follows another.

const DEFAULT_PAGE = 100;
const LARGEST_PAGE = 1000;

interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

/**
 * One page of a list, newest first, to which items come and from which they go between two calls: no item is shown twice, and none that
 * stays is left out.
 *
 * @param idOf  names an item; a name sorts after those of older items
 * @throws AlbertError invalid-input for a size above 1000 or a token this function did not make
 */
export function pageById<T>(
  items: readonly T[],
  idOf: (item: T) => string,
  { pageSize, pageToken }: PageRequest,
): { readonly items: readonly T[]; readonly nextPageToken: string } {
  const size = sizeOf(pageSize);
  if (!/^([0-9a-z-]{1,64})?$/.test(pageToken)) throw wrongToken();
  const rest = pageToken === "" ? items : items.filter((item) => idOf(item) < pageToken);
  const some = rest.slice(0, size);
  return { items: some, nextPageToken: some.length < rest.length ? idOf(some.at(-1)!) : "" };
}

/**
 * One page of a list in some order, to which items come and from which they go between two calls: no item that stays is left out or
 * shown twice.
 *
 * @param placeOf  names an item's place; places grow along the list
 * @throws AlbertError invalid-input for a size above 1000 or a token this function did not make
 */
export function pageByOrder<T>(
  items: readonly T[],
  placeOf: (item: T) => string,
  { pageSize, pageToken }: PageRequest,
): { readonly items: readonly T[]; readonly nextPageToken: string } {
  const size = sizeOf(pageSize);
  if (!/^([\w.-]{1,64})?$/.test(pageToken)) throw wrongToken();
  const known = items.findIndex((item) => placeOf(item) === pageToken);
  const rest = known >= 0 ? items.slice(known + 1) : items.filter((item) => placeOf(item) > pageToken);
  const some = rest.slice(0, size);
  return { items: some, nextPageToken: some.length < rest.length ? placeOf(some.at(-1)!) : "" };
}

/**
 * One page of a numbered log, oldest first, that grows between two calls.
 *
 * @param length  entries that there are now, numbered from 1
 * @returns the numbers of the first entry and of the last, which is smaller where there is none
 * @throws AlbertError invalid-input for a size above 1000 or a token this function did not make
 */
export function pageOfLog(
  length: number,
  { pageSize, pageToken }: PageRequest,
): { readonly first: number; readonly last: number; readonly nextPageToken: string } {
  const size = sizeOf(pageSize);
  const after = /^(?:after-(\d{1,9}))?$/.exec(pageToken);
  if (after === null) throw wrongToken();
  const first = Number(after[1] ?? 0) + 1;
  const last = Math.min(length, first + size - 1);
  return { first, last, nextPageToken: last < length ? `after-${last}` : "" };
}

/**
 * One page of a list whose order does not change from call to call.
 *
 * @param pageToken where the page before ended; empty for the first
 * @throws AlbertError invalid-input for a size above 1000 or a token this function did not make
 */
export function page<T>(
  items: readonly T[],
  { pageSize, pageToken }: PageRequest,
): { readonly items: readonly T[]; readonly nextPageToken: string } {
  const size = sizeOf(pageSize);
  if (!/^\d{0,9}$/.test(pageToken)) throw wrongToken();
  const from = Number(pageToken);
  const end = from + size;
  return { items: items.slice(from, end), nextPageToken: end < items.length ? String(end) : "" };
}

/** How many items a page is to have. @throws AlbertError invalid-input for a size above 1000 */
export function sizeOf(pageSize: number): number {
  if (pageSize > LARGEST_PAGE) {
    throw invalidInput([{ field: "page_size", description: `must be at most ${LARGEST_PAGE}, got ${pageSize}` }]);
  }
  return pageSize === 0 ? DEFAULT_PAGE : pageSize;
}

function wrongToken(): AlbertError {
  return invalidInput([{ field: "page_token", description: "is not one that this call returned" }]);
}
