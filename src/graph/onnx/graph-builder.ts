import { invariant } from "../../errors.ts";
import { type OnnxTensor, type OnnxType, tensor } from "./tensors.ts";

// Builds an ONNX graph node by node and checks it as it grows. It knows nothing of ALBERT.

/** One dimension of an input or output: a size, or the name of a size that is known only when the graph runs. */
export type Dim = number | string;

/** A named input or output of a graph. */
export interface ValueInfo {
  readonly name: string;
  readonly dtype: OnnxType;
  readonly dims: readonly Dim[];
}

/** An attribute's value with its ONNX type; `{ int: 1 }` and `{ float: 1 }` are different things to a runtime. */
export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | { readonly tensor: OnnxTensor }
  | { readonly graph: GraphBuilder };

export type Attributes = Readonly<Record<string, Attribute>>;

/** Domain of ONNX Runtime's own fused operators. */
export const MICROSOFT = "com.microsoft";

export interface NodeOptions {
  readonly attributes?: Attributes;
  /** Operator domain: "" for standard ONNX (the default), or `MICROSOFT`. */
  readonly domain?: string;
  /** How many outputs, named automatically, or the names themselves ("" leaves an optional output out). Default 1. */
  readonly outputs?: number | readonly string[];
}

/** One operator call as it will be written. */
export interface GraphNode {
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

/**
 * Builds an ONNX graph in memory. Values are referred to by name; every name is defined once, and a node may only use
 * what is already defined (in this graph or, for a body, in a graph around it). Both are checked as the graph grows, so
 * that a wrong wire is found where it is laid.
 *
 * Constants of a body are kept by the outermost graph: they exist once however often the body runs.
 */
export class GraphBuilder {
  readonly name: string;
  readonly inputs: ValueInfo[] = [];
  readonly outputs: ValueInfo[] = [];
  readonly nodes: GraphNode[] = [];
  /** Constants by name; only the outermost graph has any. */
  readonly initializers = new Map<string, OnnxTensor>();
  readonly #parent: GraphBuilder | undefined;
  readonly #root: GraphBuilder;
  readonly #defined = new Set<string>();
  readonly #constants = new Map<string, string>();
  #fresh = 0;

  constructor(name: string, parent?: GraphBuilder) {
    this.name = name;
    this.#parent = parent;
    this.#root = parent === undefined ? this : parent.#root;
  }

  /** Declares an input of the graph. @returns its name */
  input(name: string, dtype: OnnxType, dims: readonly Dim[]): string {
    this.#define(name);
    this.inputs.push({ name, dtype, dims });
    return name;
  }

  /** Adds a named constant to the outermost graph. Its values are not copied until the model is written. */
  initializer(name: string, value: OnnxTensor): string {
    this.#root.#define(name);
    this.#root.initializers.set(name, value);
    return name;
  }

  /** A small constant from plain numbers; equal constants are shared. */
  constant(dtype: OnnxType, dims: readonly number[], values: readonly number[]): string {
    const key = `${dtype}[${dims}]${values}`;
    const known = this.#root.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.initializer(this.freshName("const"), tensor(dtype, dims, values));
    this.#root.#constants.set(key, name);
    return name;
  }

  /** A constant float32 scalar. */
  float(value: number): string {
    return this.constant("float32", [], [value]);
  }

  /** A constant one-dimensional int64 list, as shapes and axes are given. */
  ints(values: readonly number[]): string {
    return this.constant("int64", [values.length], values);
  }

  /** Calls an operator. @returns the names of its outputs */
  node(opType: string, inputs: readonly string[], options: NodeOptions = {}): string[] {
    for (const name of inputs) {
      invariant(name === "" || this.#sees(name), `${opType} in graph ${this.name} uses ${name}, which is not defined`);
    }
    const { attributes = {}, domain = "", outputs = 1 } = options;
    const names =
      typeof outputs === "number"
        ? Array.from({ length: outputs }, () => this.freshName(opType.toLowerCase()))
        : [...outputs];
    for (const name of names) if (name !== "") this.#define(name);
    this.nodes.push({ opType, domain, inputs: [...inputs], outputs: names, attributes });
    return names;
  }

  /** Calls an operator of the standard domain that has one output. @returns the output's name */
  op(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.node(opType, inputs, { attributes })[0]!;
  }

  /** Calls one of ONNX Runtime's fused operators; only its first output is used. @returns the output's name */
  fused(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.node(opType, inputs, { attributes, domain: MICROSOFT })[0]!;
  }

  /** Declares a computed value as an output of the graph. Give `name` to publish it under another name. */
  output(value: string, dtype: OnnxType, dims: readonly Dim[], name: string = value): string {
    invariant(this.#sees(value), `output ${value} of graph ${this.name} is not defined`);
    if (name !== value) this.node("Identity", [value], { outputs: [name] });
    this.outputs.push({ name, dtype, dims });
    return name;
  }

  /** A body for `Loop` or `If`: a graph that may use every value defined so far in this one. */
  subgraph(name: string): GraphBuilder {
    return new GraphBuilder(name, this);
  }

  /** A name that nothing else in the whole model has. */
  freshName(stem: string): string {
    this.#root.#fresh += 1;
    return `${stem}_${this.#root.#fresh}`;
  }

  #define(name: string): void {
    invariant(name !== "" && !this.#sees(name), `graph ${this.name} defines ${JSON.stringify(name)} twice`);
    this.#defined.add(name);
  }

  #sees(name: string): boolean {
    for (let graph: GraphBuilder | undefined = this; graph !== undefined; graph = graph.#parent) {
      if (graph.#defined.has(name)) return true;
    }
    return false;
  }
}
