import {
  create,
  type DescField,
  type DescMessage,
  type MessageInitShape,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import fc from "fast-check";

// Messages of any type, for fuzzing: valid by their schema, and senseless or hostile by their values.

/** How many messages may lie within each other; ours hold each other no deeper. */
const DEPTH = 5;

const TEXT = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: "grapheme", maxLength: 40 }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...[
        "",
        "\u0000",
        "__proto__",
        "constructor",
        "../../etc/passwd",
        "/dev/zero",
        "..%2f..",
        "a/b",
        "x".repeat(5000),
      ],
      ...[
        "*",
        "-1",
        "1e999",
        "NaN",
        "null",
        "true",
        "{}",
        "[[[[",
        "\u202e\ufeff",
        "😀".repeat(200),
        "%s%n",
        "`x`",
        "'; --",
      ],
    ),
  },
);
const BYTES = fc.uint8Array({ maxLength: 64 });
const DOUBLE = fc.oneof(fc.double(), fc.constantFrom(0, -0, 1e300, Number.NaN, Number.POSITIVE_INFINITY));
const INT32 = fc.oneof(fc.integer({ min: -3, max: 300 }), fc.constantFrom(2 ** 31 - 1, -(2 ** 31)));
const UINT32 = fc.oneof(fc.nat(300), fc.constantFrom(2 ** 32 - 1));
const INT64 = fc.oneof(fc.bigInt(-3n, 300n), fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n));
const UINT64 = fc.oneof(fc.bigInt(0n, 300n), fc.constantFrom(2n ** 64n - 1n, 2n ** 53n));

function anyScalar(type: ScalarType, known: readonly string[]): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return fc.oneof({ weight: 3, arbitrary: fc.constantFrom("", ...known) }, { weight: 2, arbitrary: TEXT });
    case ScalarType.BYTES:
      return BYTES;
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return type === ScalarType.DOUBLE ? DOUBLE : DOUBLE.map(Math.fround);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return UINT32;
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return INT32;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return UINT64;
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return INT64;
  }
}

/** What a field, or each part of a list or map, holds; neither of both: an enum. */
interface Holder {
  readonly message?: DescMessage | undefined;
  readonly scalar?: ScalarType | undefined;
}

function anyValue({ message, scalar }: Holder, known: readonly string[], depth: number): fc.Arbitrary<unknown> {
  if (message !== undefined) return anyInit(message, known, depth + 1);
  return scalar === undefined ? INT32 : anyScalar(scalar, known);
}

function anyField(field: DescField, known: readonly string[], depth: number): fc.Arbitrary<unknown> {
  const value = anyValue(field, known, depth);
  if (field.fieldKind === "list") return fc.array(value, { maxLength: 4 });
  if (field.fieldKind !== "map") return value;
  const key = fc.string({ maxLength: 8 }).filter((text) => text !== "__proto__"); // which an object cannot hold
  return fc.dictionary(key, value, { maxKeys: 3 });
}

function anyInit(schema: DescMessage, known: readonly string[], depth = 0): fc.Arbitrary<Record<string, unknown>> {
  if (depth > DEPTH) return fc.constant({});
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  for (const member of schema.members) {
    fields[member.localName] =
      member.kind === "oneof"
        ? fc.oneof(
            ...member.fields.map((field) =>
              anyField(field, known, depth).map((value) => ({ case: field.localName, value })),
            ),
          )
        : anyField(member, known, depth);
  }
  return fc.record(fields, { requiredKeys: [] });
}

/**
 * Any message of a type, encoded.
 *
 * @param known  strings that mean something to whoever reads the message, such as the name of a model
 */
export function anyMessage(schema: DescMessage, known: readonly string[]): fc.Arbitrary<Uint8Array> {
  return anyInit(schema, known).map((init) => toBinary(schema, create(schema, init as MessageInitShape<DescMessage>)));
}
