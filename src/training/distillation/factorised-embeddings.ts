import type { AlbertConfig } from "../../model/config.ts";
import { RandomStream } from "../../model/random.ts";
import type { Parameters, Tensor } from "../../model/tensor.ts";

// Embeddings of a narrower width that come near a model's own: principal components of what its first block reads.

/** Rows of the table that the components are found from, at most; they lie evenly over the vocabulary. */
const SAMPLED_ROWS = 8192;
/** Rounds of the orthogonal iteration; the components need not be exact, only span what varies most. */
const ROUNDS = 24;

/**
 * Word, position and token type embeddings [., E], their LayerNorm and the projection to H, for a student whose hidden size is the
 * teacher's.
 *
 * The teacher's first block reads x = LayerNorm(word + position + type), projected where it has a projection. With the mean m of x over
 * the vocabulary and its first E principal components V [H, E], x is nearly m + (x - m) V V^T. So the student's word embeddings are
 * (x - m) V, its projection is V^T with bias m, and the scale of its LayerNorm is the mean deviation of those rows, which
 * normalisation takes from each. Positions and types are their first-order effect in the same coordinates.
 */
export function factorisedEmbeddings(
  config: AlbertConfig,
  { config: other, parameters }: { readonly config: AlbertConfig; readonly parameters: Parameters },
): Map<string, Tensor> {
  const [V, E, H] = [config.vocabSize, config.embeddingSize, config.hiddenSize];
  const scope = "bert/embeddings";
  const read = readInputs(other, parameters);
  const inputs = new Float32Array(V * H);
  for (let word = 0; word < V; word++) inputs.set(read.ofWord(word), word * H);
  const mean = columnMeans(inputs, H);
  const components = principalComponents(inputs, mean, H, E);
  const coordinates = (
    x: ArrayLike<number>,
    from: number,
    origin: ArrayLike<number> | undefined,
    into: Float32Array,
    at: number,
  ) => {
    for (let j = 0; j < H; j++) {
      const value = x[from + j]! - (origin?.[j] ?? 0);
      for (let e = 0; e < E; e++) into[at + e]! += value * components[j * E + e]!;
    }
  };
  const words = new Float32Array(V * E);
  for (let word = 0; word < V; word++) coordinates(inputs, word * H, mean, words, word * E);
  const positions = new Float32Array(config.maxPositionEmbeddings * E);
  for (let p = 0; p < config.maxPositionEmbeddings; p++) {
    const effect = read.ofPosition(Math.min(p, other.maxPositionEmbeddings - 1));
    coordinates(effect, 0, undefined, positions, p * E);
  }
  const types = new Float32Array(config.typeVocabSize * E);
  for (let type = 1; type < Math.min(config.typeVocabSize, other.typeVocabSize); type++) {
    coordinates(read.ofType(type), 0, undefined, types, type * E);
  }
  const projection = new Float32Array(E * H);
  for (let e = 0; e < E; e++) for (let j = 0; j < H; j++) projection[e * H + j] = components[j * E + e]!;
  const tensors: [string, Tensor][] = [
    [`${scope}/word_embeddings`, { shape: [V, E], data: words }],
    [`${scope}/position_embeddings`, { shape: [config.maxPositionEmbeddings, E], data: positions }],
    [`${scope}/LayerNorm/gamma`, { shape: [E], data: new Float32Array(E).fill(meanDeviation(words, E)) }],
    [`${scope}/LayerNorm/beta`, { shape: [E], data: new Float32Array(E) }],
    ["bert/encoder/embedding_hidden_mapping_in/kernel", { shape: [E, H], data: projection }],
    ["bert/encoder/embedding_hidden_mapping_in/bias", { shape: [H], data: Float32Array.from(mean) }],
  ];
  if (config.typeVocabSize > 0) {
    tensors.push([`${scope}/token_type_embeddings`, { shape: [config.typeVocabSize, E], data: types }]);
  }
  return new Map(tensors);
}

/** What a model's first block reads for a word at an average position, and how much positions and types change that. */
function readInputs(config: AlbertConfig, parameters: Parameters) {
  const { embeddingSize: E, hiddenSize: H } = config;
  const scope = "bert/embeddings";
  const data = (name: string) => parameters.get(name)!.data;
  const [words, places] = [data(`${scope}/word_embeddings`), data(`${scope}/position_embeddings`)];
  const kinds = config.typeVocabSize === 0 ? new Float32Array(E) : data(`${scope}/token_type_embeddings`);
  const [gamma, beta] = [data(`${scope}/LayerNorm/gamma`), data(`${scope}/LayerNorm/beta`)];
  const meanPlace = columnMeans(places, E);
  const projected = (x: Float32Array, withBias: boolean): Float32Array => {
    if (!config.embeddingProjection) return x;
    const kernel = data("bert/encoder/embedding_hidden_mapping_in/kernel");
    const bias = data("bert/encoder/embedding_hidden_mapping_in/bias");
    return Float32Array.from({ length: H }, (_, j) => {
      let sum = withBias ? bias[j]! : 0;
      for (let e = 0; e < E; e++) sum += x[e]! * kernel[e * H + j]!;
      return sum;
    });
  };
  const rawWord = (word: number) =>
    Float64Array.from({ length: E }, (_, e) => words[word * E + e]! + meanPlace[e]! + kinds[e]!);
  const deviationOf = (row: Float64Array) => {
    const mean = row.reduce((a, b) => a + b, 0) / E;
    return { mean, deviation: Math.sqrt(row.reduce((a, b) => a + (b - mean) ** 2, 0) / E + config.layerNormEps) };
  };
  const sampled = Array.from(
    { length: Math.min(256, config.vocabSize) },
    (_, i) => deviationOf(rawWord(Math.floor((i * config.vocabSize) / Math.min(256, config.vocabSize)))).deviation,
  );
  const usual = sampled.reduce((a, b) => a + b, 0) / sampled.length;
  const effect = (difference: (e: number) => number) =>
    projected(
      Float32Array.from({ length: E }, (_, e) => (difference(e) * gamma[e]!) / usual),
      false,
    );
  return {
    ofWord(word: number): Float32Array {
      const row = rawWord(word);
      const { mean, deviation } = deviationOf(row);
      return projected(
        Float32Array.from(row, (value, e) => ((value - mean) / deviation) * gamma[e]! + beta[e]!),
        true,
      );
    },
    ofPosition: (position: number) => effect((e) => places[position * E + e]! - meanPlace[e]!),
    ofType: (type: number) => effect((e) => kinds[type * E + e]! - kinds[e]!),
  };
}

/** Orthonormal columns [width, count] that span what varies most, by orthogonal iteration on the covariance. */
function principalComponents(rows: Float32Array, mean: Float64Array, width: number, count: number): Float64Array {
  const total = rows.length / width;
  const used = Math.min(total, SAMPLED_ROWS);
  const covariance = new Float64Array(width * width);
  const centred = new Float64Array(width);
  for (let i = 0; i < used; i++) {
    const from = Math.floor((i * total) / used) * width;
    for (let j = 0; j < width; j++) centred[j] = rows[from + j]! - mean[j]!;
    for (let j = 0; j < width; j++) {
      const value = centred[j]!;
      for (let k = j; k < width; k++) covariance[j * width + k]! += value * centred[k]!;
    }
  }
  for (let j = 0; j < width; j++) for (let k = 0; k < j; k++) covariance[j * width + k] = covariance[k * width + j]!;
  const random = new RandomStream([1, 1]);
  let basis = Float64Array.from({ length: width * count }, () => random.normalPair()[0]!);
  orthonormalise(basis, width, count);
  for (let round = 0; round < ROUNDS; round++) {
    const next = new Float64Array(width * count);
    for (let j = 0; j < width; j++) {
      for (let k = 0; k < width; k++) {
        const value = covariance[j * width + k]!;
        for (let c = 0; c < count; c++) next[j * count + c]! += value * basis[k * count + c]!;
      }
    }
    orthonormalise(next, width, count);
    basis = next;
  }
  return basis;
}

/** Gram and Schmidt's process on the columns of [width, count], in place. A column that depends on those before it becomes 0. */
function orthonormalise(columns: Float64Array, width: number, count: number): void {
  for (let c = 0; c < count; c++) {
    for (let before = 0; before < c; before++) {
      let dot = 0;
      for (let j = 0; j < width; j++) dot += columns[j * count + c]! * columns[j * count + before]!;
      for (let j = 0; j < width; j++) columns[j * count + c]! -= dot * columns[j * count + before]!;
    }
    let norm = 0;
    for (let j = 0; j < width; j++) norm += columns[j * count + c]! ** 2;
    norm = Math.sqrt(norm);
    for (let j = 0; j < width; j++) columns[j * count + c] = norm < 1e-12 ? 0 : columns[j * count + c]! / norm;
  }
}

function columnMeans(rows: ArrayLike<number>, width: number): Float64Array {
  const means = new Float64Array(width);
  for (let i = 0; i < rows.length; i++) means[i % width]! += rows[i]!;
  return means.map((sum) => (sum * width) / rows.length);
}

/** Mean over rows of the standard deviation of each. */
function meanDeviation(rows: Float32Array, width: number): number {
  const count = rows.length / width;
  let total = 0;
  for (let row = 0; row < count; row++) {
    const values = rows.subarray(row * width, (row + 1) * width);
    const mean = values.reduce((a, b) => a + b, 0) / width;
    total += Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / width);
  }
  return total / count;
}
