import { createHash } from "node:crypto";
import type { DataType, TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../errors.ts";
import { sizeOf } from "../../model/tensor.ts";
import type { Attributes } from "../onnx/graph-builder.ts";
import type { OnnxData, OnnxTensor, OnnxType } from "../onnx/tensors.ts";

// Collects the ONNX nodes of a trace. Which nodes a kernel becomes is decided by the lowerings.

/** What a graph is lowered for, an execution provider or OpenVINO; a few operators differ. */
export type TraceDevice = "cpu" | "openvino" | "webgpu" | "cuda";

/** Element types that exist on both sides of the trace. */
export type TracedType = "float32" | "int32" | "bool";

/** One operator call, by value names. */
export interface RecordedNode {
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

/** A value's type as TensorFlow.js sees it. */
export interface ValueType {
  readonly shape: readonly number[];
  readonly dtype: TracedType;
}

/** A value that is fed when the graph runs. */
export interface RecordedInput extends ValueType {
  readonly name: string;
}

/** What an operand of a node may be: a tensor of the trace, or the name of a constant. */
export type Operand = TensorInfo | string;

export interface NodeOptions {
  readonly attributes?: Attributes;
  readonly domain?: string;
}

/**
 * Collects the nodes, constants and inputs of one graph while TensorFlow.js functions run on the tracing backend. Equal
 * calls on equal operands are recorded once, and so are equal constants: every operator is a pure function.
 */
export class Recorder {
  readonly nodes: RecordedNode[] = [];
  readonly constants = new Map<string, OnnxTensor>();
  readonly inputs = new Map<string, RecordedInput>();
  readonly #names = new WeakMap<object, string>();
  readonly #known = new Map<string, readonly string[]>();
  readonly #producers = new Map<string, RecordedNode>();
  #fresh = 0;

  /** Declares a value that is fed at run time. */
  input(name: string, shape: readonly number[], dtype: TracedType): TensorInfo {
    invariant(!this.inputs.has(name), `input ${name} of a traced graph is declared twice`);
    this.inputs.set(name, { name, shape, dtype });
    return this.info(name, { shape, dtype });
  }

  /** A tensor whose values stay inside the graph; they are not copied before the graph is written. */
  constant(dtype: OnnxType, shape: readonly number[], data: OnnxData): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key = `constant ${dtype} [${shape}] ${createHash("sha1").update(bytes).digest("base64")}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known[0]!;
    const name = this.#freshName("constant");
    invariant(data.length === sizeOf(shape), `constant of shape [${shape}] holds ${data.length} values`);
    this.constants.set(name, { dtype, dims: shape, data });
    this.#known.set(key, [name]);
    return name;
  }

  /** A float32 scalar constant. */
  float(value: number): string {
    return this.constant("float32", [], Float32Array.of(value));
  }

  /** A one-dimensional int64 constant, as shapes and axes are given. */
  ints(values: readonly number[]): string {
    return this.constant("int64", [values.length], BigInt64Array.from(values, BigInt));
  }

  /** Records an operator with one output. */
  op(opType: string, operands: readonly Operand[], type: ValueType, options: NodeOptions = {}): TensorInfo {
    return this.ops(opType, operands, [type], options)[0]!;
  }

  /** Records an operator with several outputs. */
  ops(
    opType: string,
    operands: readonly Operand[],
    types: readonly ValueType[],
    { attributes = {}, domain = "" }: NodeOptions = {},
  ): TensorInfo[] {
    const inputs = operands.map((operand) => (typeof operand === "string" ? operand : this.nameOf(operand)));
    const key = `${domain}.${opType}(${inputs})${JSON.stringify(attributes)}`;
    let outputs = this.#known.get(key);
    if (outputs === undefined) {
      outputs = types.map(() => this.#freshName(opType.toLowerCase()));
      const node: RecordedNode = { opType, domain, inputs, outputs, attributes };
      this.nodes.push(node);
      for (const output of outputs) this.#producers.set(output, node);
      this.#known.set(key, outputs);
    }
    return types.map((type, index) => this.info(outputs[index]!, type));
  }

  /** The node that computes a tensor; none for inputs and constants. */
  producerOf(tensor: TensorInfo): RecordedNode | undefined {
    return this.#producers.get(this.nameOf(tensor));
  }

  /** Another view of a value that already has a name. */
  info(name: string, { shape, dtype }: ValueType): TensorInfo {
    const dataId = {};
    this.#names.set(dataId, name);
    return { dataId, shape: [...shape], dtype: dtype satisfies DataType };
  }

  /** The graph's name of a tensor of this trace. */
  nameOf(tensor: TensorInfo): string {
    const name = this.#names.get(tensor.dataId);
    invariant(name !== undefined, "a tensor from outside the trace was used in it");
    return name;
  }

  #freshName(stem: string): string {
    this.#fresh += 1;
    return `${stem}_${this.#fresh}`;
  }
}
