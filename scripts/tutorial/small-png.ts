import { deflateSync } from "node:zlib";
import type { Page } from "playwright-core";

// Pictures of pages as small PNG files: a page has few colours, so that each pixel can be a number in a table of 256.

/** Bits of each of red, green and blue that are told apart. */
const BITS = 5;
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** A picture of what a page shows, as a PNG with a table of colours. */
export async function smallPicture(page: Page): Promise<Buffer> {
  const png = (await page.screenshot()).toString("base64");
  // On a page without a policy: the console's own lets no such picture in.
  const blank = await page.context().newPage();
  try {
    const { width, height, data } = (await blank.evaluate(`(async () => {
      const image = new Image();
      image.src = "data:image/png;base64,${png}";
      await image.decode();
      const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
      canvas.drawImage(image, 0, 0);
      const bytes = canvas.getImageData(0, 0, image.width, image.height).data;
      let text = "";
      for (let i = 0; i < bytes.length; i += 30000) text += String.fromCharCode(...bytes.subarray(i, i + 30000));
      return { width: image.width, height: image.height, data: btoa(text) };
    })()`)) as { readonly width: number; readonly height: number; readonly data: string };
    return indexedPng(width, height, Buffer.from(data, "base64"));
  } finally {
    await blank.close();
  }
}

/** @param pixels  red, green, blue and alpha of each, row by row; alpha is passed over */
function indexedPng(width: number, height: number, pixels: Uint8Array): Buffer {
  const colours = new Map<number, { rows: number; readonly rgb: readonly number[] }>();
  const keyAt = (at: number) =>
    [0, 1, 2].reduce((key, channel) => (key << BITS) | (pixels[at + channel]! >> (8 - BITS)), 0);
  for (let at = 0; at < pixels.length; at += 4) {
    const key = keyAt(at);
    const known = colours.get(key);
    if (known === undefined) colours.set(key, { rows: 1, rgb: [...pixels.subarray(at, at + 3)] });
    else known.rows++;
  }
  const table = [...colours].sort(([, a], [, b]) => b.rows - a.rows).slice(0, 256);
  const index = new Map(table.map(([key], i) => [key, i]));
  const nearest = (rgb: readonly number[]) => {
    const distances = table.map(([, other]) => other.rgb.reduce((sum, value, i) => sum + (value - rgb[i]!) ** 2, 0));
    return distances.indexOf(Math.min(...distances));
  };
  for (const [key, { rgb }] of colours) if (!index.has(key)) index.set(key, nearest(rgb));
  const lines = Buffer.alloc(height * (width + 1)); // each line begins with its filter: none
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) lines[y * (width + 1) + x + 1] = index.get(keyAt(4 * (y * width + x)))!;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8); // eight bits, a table of colours
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(table.flatMap(([, { rgb }]) => [...rgb]))),
    chunk("IDAT", deflateSync(lines, { level: 9, memLevel: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}

/** The check sum of PNG's chunks; `node:zlib` has it only from Node 22.2 on. */
function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
