/** The fields that have a value; what the caller left out stays left out, so that defaults apply where they are declared. */
export function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined);
  // Object.fromEntries forgets the keys' types; filtering changed nothing else.
  return Object.fromEntries(present) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
