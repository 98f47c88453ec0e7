// Draws ratios as horizontal bars in SVG.

const [LABELS, WIDTH, ROW, TOP] = [190, 460, 18, 44];

/**
 * An SVG picture: a group of bars for each of the others, a bar for each batch, a line where both are equally fast.
 *
 * @param ratios  by name and batch; above 1 is faster here
 */
export function ratioChart(title: string, ratios: Readonly<Record<string, Readonly<Record<string, number>>>>): string {
  const rows = Object.entries(ratios).flatMap(([name, batches]) => [
    { text: name, ratio: undefined },
    ...Object.entries(batches).map(([text, ratio]) => ({ text, ratio })),
  ]);
  const most = Math.max(1, ...rows.map(({ ratio }) => ratio ?? 0));
  const x = (ratio: number) => LABELS + (ratio / most) * WIDTH;
  const height = TOP + rows.length * ROW + 10;
  const drawn = rows.map(({ text, ratio }, index) => {
    const y = TOP + index * ROW;
    if (ratio === undefined) return `<text x="10" y="${y + 13}" font-weight="bold">${escaped(text)}</text>`;
    return [
      `<text x="${LABELS - 8}" y="${y + 13}" text-anchor="end">${escaped(text)}</text>`,
      `<rect x="${LABELS}" y="${y + 3}" width="${(x(ratio) - LABELS).toFixed(1)}" height="${ROW - 6}" fill="${ratio >= 1 ? "#2f7d5b" : "#b3541e"}"/>`,
      `<text x="${(x(ratio) + 6).toFixed(1)}" y="${y + 13}">${ratio}</text>`,
    ].join("");
  });
  const one = x(1).toFixed(1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${LABELS + WIDTH + 70}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="10" y="22" font-size="15">${escaped(title)}</text>`,
    ...drawn,
    `<line x1="${one}" y1="${TOP - 6}" x2="${one}" y2="${height - 8}" stroke="#888" stroke-dasharray="3 3"/>`,
    "</svg>\n",
  ].join("\n");
}

function escaped(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}
