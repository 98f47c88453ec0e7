// Assigns instances to rows so that little padding remains. It sees lengths only.

/** Which instances share the rows of a batch. Row r holds `instances[starts[r] .. starts[r+1])`, in this order. */
export interface PackedRows {
  /** Indexes of instances, every one of the order exactly once. int32 */
  readonly instances: Int32Array;
  /** [rows + 1]; the last entry is the number of instances. int32 */
  readonly starts: Int32Array;
}

export interface PackingOptions {
  /** Tokens a row holds. */
  readonly rowLength: number;
  /** Instances a row holds at most. */
  readonly maxSegments: number;
  /** Instances that are packed among themselves, in order; bounds how far packing moves an instance. */
  readonly bufferSize: number;
}

/**
 * Lays instances of different lengths into rows with as little padding as is easily had: one buffer after the other, longest first,
 * each into the fullest row that still has room (best fit decreasing). The result depends on nothing but its arguments, so a
 * resumed run packs as the uninterrupted one did.
 *
 * @param order    instance indexes in the order of the epoch
 * @param lengths  tokens of each instance, by index; none exceeds `rowLength`
 */
export function packRows(order: Uint32Array, lengths: ArrayLike<number>, options: PackingOptions): PackedRows {
  const instances = new Int32Array(order.length);
  const starts: number[] = [0];
  let written = 0;
  for (let from = 0; from < order.length; from += options.bufferSize) {
    for (const row of packBuffer(order.subarray(from, from + options.bufferSize), lengths, options)) {
      instances.set(row, written);
      written += row.length;
      starts.push(written);
    }
  }
  return { instances, starts: Int32Array.from(starts) };
}

/** Rows of one buffer, in the order in which their first (longest) instance came. */
function packBuffer(
  buffer: Uint32Array,
  lengths: ArrayLike<number>,
  { rowLength, maxSegments }: PackingOptions,
): number[][] {
  const place = new Map(Array.from(buffer, (instance, position) => [instance, position]));
  const longestFirst = Uint32Array.from(buffer).sort(
    (a, b) => lengths[b]! - lengths[a]! || place.get(a)! - place.get(b)!,
  );
  const rows: number[][] = [];
  /** Open rows by the tokens they have left. */
  const openByRoom: number[][] = Array.from({ length: rowLength + 1 }, () => []);
  for (const instance of longestFirst) {
    const length = lengths[instance]!;
    let room = length;
    while (room <= rowLength && openByRoom[room]!.length === 0) room++;
    const row = room <= rowLength ? openByRoom[room]!.pop()! : rows.push([]) - 1;
    rows[row]!.push(instance);
    const left = (room <= rowLength ? room : rowLength) - length;
    if (left > 0 && rows[row]!.length < maxSegments) openByRoom[left]!.push(row);
  }
  return rows.sort((a, b) => place.get(a[0]!)! - place.get(b[0]!)!);
}
