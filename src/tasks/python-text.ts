// White space and string methods as Python defines them.

/**
 * Python's idea of white space, which the official scripts strip and split by. JavaScript's `\s` lacks U+001C..1F and
 * U+0085, and wrongly includes U+FEFF.
 */
export function isPythonSpace(unit: number): boolean {
  if (unit < 0x80) return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d) || (unit >= 0x1c && unit <= 0x1f);
  return (
    unit === 0x85 ||
    unit === 0xa0 ||
    unit === 0x1680 ||
    (unit >= 0x2000 && unit <= 0x200a) ||
    unit === 0x2028 ||
    unit === 0x2029 ||
    unit === 0x202f ||
    unit === 0x205f ||
    unit === 0x3000
  );
}

/** The half-open range that remains of `start..end` of a text when white space is stripped from both of its ends. */
export function strippedRange(text: string, start = 0, end = text.length): [number, number] {
  let from = start;
  let to = end;
  while (from < to && isPythonSpace(text.charCodeAt(from))) from++;
  while (to > from && isPythonSpace(text.charCodeAt(to - 1))) to--;
  return [from, to];
}

/** `str.strip()` */
export function pythonStrip(text: string): string {
  return text.slice(...strippedRange(text));
}

/** `str.split()`: the runs of characters between white space. */
export function pythonSplit(text: string): string[] {
  const words: string[] = [];
  let start = -1;
  for (let i = 0; i <= text.length; i++) {
    const space = i === text.length || isPythonSpace(text.charCodeAt(i));
    if (space && start >= 0) {
      words.push(text.slice(start, i));
      start = -1;
    } else if (!space && start < 0) start = i;
  }
  return words;
}
