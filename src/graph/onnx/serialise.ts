import { invariant } from "../../errors.ts";
import type { Attribute, GraphBuilder, GraphNode, ValueInfo } from "./graph-builder.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";
import { byteLengthOf, DATA_TYPE, type OnnxTensor, rawBytes } from "./tensors.ts";

// Writes a graph as the bytes of an ONNX model, with large constants apart from it where that is asked for.

export interface SerialiseOptions {
  /** Version of the standard operator set. Default 18. */
  readonly opset?: number;
  /** Notes for people and tools, written as the model's metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * Keeps large constants out of the model: the name of the file next to the model from which they will be read. Without it they are
   * written inside.
   */
  readonly externalFile?: string;
}

/** A constant that the model expects in its external file. */
export interface ExternalConstant {
  readonly name: string;
  /** First byte in the file; a multiple of 4096, so that the file can be mapped. */
  readonly offset: number;
  readonly byteLength: number;
  /** Makes or fetches the values; call it once, when they are about to be written. */
  bytes(): Uint8Array;
}

/** An encoded model and, when asked for, the constants that it expects outside. */
export interface EncodedModel {
  readonly bytes: Uint8Array;
  readonly external: readonly ExternalConstant[];
}

const IR_VERSION = 9;
const DEFAULT_OPSET = 18;
/** Constants below this many bytes stay inside the model: shapes and axes must be visible to shape inference. */
const EXTERNAL_MIN_BYTES = 1024;
const EXTERNAL_ALIGNMENT = 4096;
/** Protobuf readers refuse messages of 2 GiB and more. */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** `AttributeProto.AttributeType`. */
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8 } as const;

/**
 * Encodes a graph as an ONNX ModelProto.
 *
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto for the field numbers
 */
export function encodeModel(graph: GraphBuilder, options: SerialiseOptions = {}): EncodedModel {
  const external: ExternalConstant[] = [];
  const model = new ProtobufWriter();
  model.int(1, IR_VERSION);
  model.string(2, "albert-serve");
  model.message(7, (writer) => writeGraph(writer, graph, { file: options.externalFile, constants: external }));
  for (const [domain, version] of operatorSets(graph, options.opset ?? DEFAULT_OPSET)) {
    model.message(8, (set) => {
      if (domain !== "") set.string(1, domain);
      set.int(2, version);
    });
  }
  for (const [key, value] of Object.entries(options.metadata ?? {})) {
    model.message(14, (entry) => writeEntry(entry, key, value));
  }
  invariant(model.byteLength <= MAX_MODEL_BYTES, `a model of ${model.byteLength} bytes needs an external file`);
  return { bytes: model.finish(), external };
}

interface External {
  readonly file: string | undefined;
  readonly constants: ExternalConstant[];
}

function operatorSets(graph: GraphBuilder, opset: number): Map<string, number> {
  const sets = new Map([["", opset]]);
  const visit = (nodes: readonly GraphNode[]): void => {
    for (const node of nodes) {
      if (node.domain !== "") sets.set(node.domain, 1);
      for (const attribute of Object.values(node.attributes)) {
        if ("graph" in attribute) visit(attribute.graph.nodes);
      }
    }
  };
  visit(graph.nodes);
  return sets;
}

function writeGraph(writer: ProtobufWriter, graph: GraphBuilder, external: External): void {
  for (const node of graph.nodes) writer.message(1, (nested) => writeNode(nested, node, external));
  writer.string(2, graph.name);
  for (const [name, value] of graph.initializers) {
    writer.message(5, (nested) => writeTensor(nested, name, value, external));
  }
  for (const input of graph.inputs) writer.message(11, (nested) => writeValueInfo(nested, input));
  for (const output of graph.outputs) writer.message(12, (nested) => writeValueInfo(nested, output));
}

function writeNode(writer: ProtobufWriter, node: GraphNode, external: External): void {
  for (const input of node.inputs) writer.string(1, input);
  for (const output of node.outputs) writer.string(2, output);
  // The first output is unique in the model, which makes a usable name in profiles and error messages.
  writer.string(3, `${node.opType}:${node.outputs.find((output) => output !== "") ?? ""}`);
  writer.string(4, node.opType);
  for (const [name, value] of Object.entries(node.attributes)) {
    writer.message(5, (nested) => writeAttribute(nested, name, value, external));
  }
  if (node.domain !== "") writer.string(7, node.domain);
}

function writeAttribute(writer: ProtobufWriter, name: string, value: Attribute, external: External): void {
  writer.string(1, name);
  if ("float" in value) {
    writer.float(2, value.float);
    writer.int(20, ATTRIBUTE_TYPE.float);
  } else if ("int" in value) {
    writer.int(3, value.int);
    writer.int(20, ATTRIBUTE_TYPE.int);
  } else if ("string" in value) {
    writer.string(4, value.string);
    writer.int(20, ATTRIBUTE_TYPE.string);
  } else if ("tensor" in value) {
    writer.message(5, (nested) => writeTensor(nested, "", value.tensor, { file: undefined, constants: [] }));
    writer.int(20, ATTRIBUTE_TYPE.tensor);
  } else if ("graph" in value) {
    writer.message(6, (nested) => writeGraph(nested, value.graph, external));
    writer.int(20, ATTRIBUTE_TYPE.graph);
  } else if ("floats" in value) {
    writer.packedFloats(7, value.floats);
    writer.int(20, ATTRIBUTE_TYPE.floats);
  } else if ("ints" in value) {
    writer.packedInts(8, value.ints);
    writer.int(20, ATTRIBUTE_TYPE.ints);
  } else {
    for (const item of value.strings) writer.string(9, item);
    writer.int(20, ATTRIBUTE_TYPE.strings);
  }
}

function writeTensor(writer: ProtobufWriter, name: string, value: OnnxTensor, external: External): void {
  const byteLength = byteLengthOf(value);
  writer.packedInts(1, value.dims);
  writer.int(2, DATA_TYPE[value.dtype]);
  if (name !== "") writer.string(8, name);
  if (external.file === undefined || byteLength < EXTERNAL_MIN_BYTES) {
    writer.bytes(9, rawBytes(name, value));
    return;
  }
  const last = external.constants.at(-1);
  const end = last === undefined ? 0 : last.offset + last.byteLength;
  const offset = Math.ceil(end / EXTERNAL_ALIGNMENT) * EXTERNAL_ALIGNMENT;
  external.constants.push({ name, offset, byteLength, bytes: () => rawBytes(name, value) });
  const location = { location: external.file, offset: `${offset}`, length: `${byteLength}` };
  for (const [key, text] of Object.entries(location)) writer.message(13, (entry) => writeEntry(entry, key, text));
  writer.int(14, 1); // data_location: EXTERNAL
}

function writeValueInfo(writer: ProtobufWriter, info: ValueInfo): void {
  writer.string(1, info.name);
  writer.message(2, (type) =>
    type.message(1, (tensorType) => {
      tensorType.int(1, DATA_TYPE[info.dtype]);
      tensorType.message(2, (shape) => {
        for (const dim of info.dims) {
          shape.message(1, (dimension) => {
            if (typeof dim === "number") dimension.int(1, dim);
            else dimension.string(2, dim);
          });
        }
      });
    }),
  );
}

function writeEntry(writer: ProtobufWriter, key: string, value: string): void {
  writer.string(1, key);
  writer.string(2, value);
}
