/** Builds SentencePiece `.model` files by hand, so that tests need no trained vocabulary. */

export interface TinyPiece {
  readonly text: string;
  readonly score?: number;
  /** 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. */
  readonly type?: number;
}

/** The five special pieces of an ALBERT vocabulary, in the official order. */
export const SPECIAL_PIECES: readonly TinyPiece[] = [
  { text: "<pad>", type: 3 },
  { text: "<unk>", type: 2 },
  { text: "[CLS]", type: 3 },
  { text: "[SEP]", type: 3 },
  { text: "[MASK]", type: 3 },
];

export interface TinyModelOptions {
  readonly pieces?: readonly TinyPiece[];
  /** Varint options of `trainer_spec`, by field number. */
  readonly trainer?: Readonly<Record<number, number>>;
  /** Varint options of `normalizer_spec`, by field number. */
  readonly normalizer?: Readonly<Record<number, number>>;
}

export function tinyModel({ pieces = SPECIAL_PIECES, trainer = {}, normalizer = {} }: TinyModelOptions): Uint8Array {
  const parts = pieces.map(({ text, score = 0, type = 1 }) => {
    const scoreBytes = Buffer.alloc(5);
    scoreBytes[0] = (2 << 3) | 5;
    scoreBytes.writeFloatLE(score, 1);
    return field(1, Buffer.concat([field(1, Buffer.from(text)), scoreBytes, varintField(3, type)]));
  });
  return Buffer.concat([...parts, field(2, options(trainer)), field(3, options(normalizer))]);
}

function options(values: Readonly<Record<number, number>>): Buffer {
  return Buffer.concat(Object.entries(values).map(([number, value]) => varintField(Number(number), value)));
}

function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varintField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number << 3), varint(value)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push((value & 0x7f) | 0x80);
  return Buffer.from([...bytes, value]);
}
