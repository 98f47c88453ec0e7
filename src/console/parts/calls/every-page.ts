/** Every item of a list that the server gives page by page. */
export async function everyPage<Reply extends { readonly nextPageToken: string }, Item>(
  next: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<Reply>,
  itemsOf: (reply: Reply) => readonly Item[],
): Promise<{ readonly items: Item[]; readonly last: Reply }> {
  const items: Item[] = [];
  for (let pageToken = ""; ; ) {
    const last = await next({ pageSize: 1000, pageToken });
    items.push(...itemsOf(last));
    if (last.nextPageToken === "") return { items, last };
    pageToken = last.nextPageToken;
  }
}
