import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

// A list that may be very long: only what is near the window is in the page.

const CHUNK = 40;

/** Rows in groups; a group far from the window is an empty space of its height. Each row is a list item. */
export function LongList<T>({
  items,
  className,
  label,
  rowHeight,
  children,
}: {
  readonly items: readonly T[];
  readonly className: string;
  readonly label: string;
  /** About how many pixels a row takes, for groups that were not shown yet. */
  readonly rowHeight: number;
  readonly children: (item: T, index: number) => ComponentChildren;
}) {
  const groups = Array.from({ length: Math.ceil(items.length / CHUNK) }, (_, i) => i * CHUNK);
  return (
    <>
      {groups.map((from) => (
        <Group
          key={from}
          className={className}
          label={from === 0 ? label : `${label}, from ${from + 1} of ${items.length}`}
          height={rowHeight * Math.min(CHUNK, items.length - from)}
          shownAtFirst={from === 0}
        >
          {() => items.slice(from, from + CHUNK).map((item, i) => children(item, from + i))}
        </Group>
      ))}
    </>
  );
}

function Group({
  className,
  label,
  height,
  shownAtFirst,
  children,
}: {
  readonly className: string;
  readonly label: string;
  readonly height: number;
  readonly shownAtFirst: boolean;
  readonly children: () => ComponentChildren;
}) {
  const list = useRef<HTMLUListElement>(null);
  const known = useRef(height);
  const [shown, setShown] = useState(shownAtFirst);
  useEffect(() => {
    const element = list.current;
    if (element === null) return;
    const observer = new IntersectionObserver(
      ([entry]) => {
        // What has the focus stays, wherever a person scrolls.
        if (entry === undefined || (!entry.isIntersecting && element.contains(document.activeElement))) return;
        if (!entry.isIntersecting) known.current = element.offsetHeight || known.current;
        setShown(entry.isIntersecting);
      },
      { rootMargin: "1200px" },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return (
    <ul ref={list} class={className} aria-label={label} style={shown ? undefined : { height: `${known.current}px` }}>
      {shown && children()}
    </ul>
  );
}
