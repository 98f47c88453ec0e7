import fc from "fast-check";

// Files and messages that were valid before something happened to them.

/** A valid file with some bytes changed, put in, left out or repeated, or cut off. */
export function mutatedBytes(valid: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    how: fc.constantFrom("set", "insert", "remove", "repeat", "cut", "huge"),
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }),
  });
  return fc.array(change, { minLength: 1, maxLength: 6 }).map((changes) => {
    let file: Uint8Array = Uint8Array.from(valid);
    for (const { how, at, bytes } of changes) {
      // Most places that matter lie near the beginning or the end.
      const place = Math.floor((at < 0.4 ? at * 0.05 : at) * file.length);
      const before = file.subarray(0, place);
      const after = file.subarray(Math.min(file.length, place + bytes.length));
      if (how === "set") file = Buffer.concat([before, bytes, after]).subarray(0, file.length);
      if (how === "insert") file = Buffer.concat([before, bytes, file.subarray(place)]);
      if (how === "remove") file = Buffer.concat([before, after]);
      if (how === "repeat")
        file = Buffer.concat([before, file.subarray(0, Math.min(place, 4096)), file.subarray(place)]);
      if (how === "cut") file = before;
      if (how === "huge") file = Buffer.concat([before, Uint8Array.from(bytes, () => 0xff), after]);
    }
    return file;
  });
}

/** A JSON value with some of its parts replaced by anything, or taken away. */
export function mutatedJson(valid: unknown): fc.Arbitrary<unknown> {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(0, -1, 1.5, 1e300, 2 ** 53, null, "", "0", "\u0000", "__proto__", [], {}, true),
  );
  const change = fc.record({
    path: fc.array(fc.nat(1000), { minLength: 1, maxLength: 6 }),
    value: odd,
    remove: fc.boolean(),
  });
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    const copy = structuredClone(valid);
    for (const { path, value, remove } of changes) replaceAt(copy, path, remove ? undefined : value);
    return copy;
  });
}

function replaceAt(root: unknown, path: readonly number[], value: unknown): void {
  let at = root;
  path.forEach((step, i) => {
    if (typeof at !== "object" || at === null) return;
    const keys = Object.keys(at);
    const key = keys[step % keys.length];
    if (key === undefined) return;
    const holder = at as Record<string, unknown>;
    const inner = holder[key];
    if (i < path.length - 1 && typeof inner === "object" && inner !== null) at = inner;
    else {
      if (value === undefined) delete holder[key];
      else holder[key] = value;
      at = undefined;
    }
  });
}
