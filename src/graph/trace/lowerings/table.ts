import { ELEMENTWISE } from "./elementwise.ts";
import { FUSED } from "./fused.ts";
import { INDEXING } from "./indexing.ts";
import type { LoweringTable } from "./lowering.ts";
import { MATRIX } from "./matrix.ts";
import { REDUCE } from "./reduce.ts";
import { SHAPE } from "./shape.ts";

/** Every TensorFlow.js kernel that can be traced. The list is closed: any other kernel fails while tracing. */
export const LOWERINGS: LoweringTable = { ...ELEMENTWISE, ...SHAPE, ...REDUCE, ...MATRIX, ...INDEXING, ...FUSED };
