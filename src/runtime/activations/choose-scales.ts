import type { InputScale, InputScales } from "../../model/activation-scales.ts";
import { storedNumber } from "../../model/directory/scales-file.ts";
import type { Tensor } from "../../model/tensor.ts";
import type { ApplicationSample, InputSample } from "./input-sample.ts";

// Chooses how the input of a product is rounded, from a sample of it: how far channels are smoothed, and the range of each
// application, both by the least squared error of what the product gives.
//
// Smoothing is SmoothQuant's (Xiao et al., 2023): channel j of the input is divided by
// s_j = max|x_j|^a / max|w_j|^(1-a), and row j of the kernel multiplied by it, which moves what is hard to round from inputs to
// weights. Ranges are chosen by the mean squared error, as in Nagel et al., "A White Paper on Neural Network Quantization" (2021),
// section 3.1: wider ones round everything coarser, narrower ones cut off the largest values. The errors of single values are
// taken as independent, so that of an output is their sum, each times its squared weight: no product has to be computed.

/** Steps of an unsigned byte between its least and largest value. */
const STEPS = 255;
const INT8_MAX = 127;
/** Shares of the range that was seen which a scale may cover. */
const RANGES = [1, 0.97, 0.94, 0.9, 0.86, 0.82, 0.76, 0.7, 0.6, 0.5, 0.4, 0.3];
/** Exponents of smoothing that are tried; without it each channel is rounded alike. */
const STRENGTHS = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
/** Smoothing that takes a pass of its own over the input has to lower the error below this share. */
const WORTH_A_PASS = 0.8;
/** Bounds of one channel's factor, relative to their geometric mean. */
const MOST_SMOOTHING = 1e3;

/**
 * The scales of a product.
 *
 * @param kernel  float32 [inputs, .] matrices that lie side by side in it
 */
export function chooseScales({ product, applications }: InputSample, kernel: readonly Tensor[]): InputScales {
  const { inputs } = product;
  const rows = rowsOf(kernel, inputs);
  const attempt = (smoothing: Float32Array | undefined) => {
    const chosen = applications.map((sample) => chooseRange(sample, rows.squares, smoothing));
    const ofInputs = chosen.reduce((sum, { error }) => sum + error, 0) / chosen.length;
    return {
      error: ofInputs + kernelError(kernel, applications, smoothing),
      scales: { ...(smoothing === undefined ? {} : { smoothing }), applications: chosen.map(({ scale }) => scale) },
    };
  };
  const plain = attempt(undefined);
  const magnitudes = channelMagnitudes(applications, inputs);
  const smoothed = STRENGTHS.map((strength) => attempt(smoothingOf(magnitudes, rows.largest, strength)));
  const best = smoothed.reduce((least, each) => (each.error < least.error ? each : least));
  const worth = product.meanOf === undefined ? WORTH_A_PASS : 1;
  return best.error < worth * plain.error ? best.scales : plain.scales;
}

/** The largest weight [inputs] and the sum of squares [inputs] of each of a kernel's rows. */
function rowsOf(kernel: readonly Tensor[], inputs: number) {
  const largest = new Float32Array(inputs);
  const squares = new Float64Array(inputs);
  for (const { data } of kernel) {
    const columns = data.length / inputs;
    data.forEach((weight, at) => {
      const row = Math.floor(at / columns);
      largest[row] = Math.max(largest[row]!, Math.abs(weight));
      squares[row]! += weight * weight;
    });
  }
  return { largest, squares };
}

/** The largest magnitude of each channel in any application [inputs]. */
function channelMagnitudes(applications: readonly ApplicationSample[], inputs: number): Float32Array {
  return Float32Array.from({ length: inputs }, (_, channel) =>
    applications.reduce(
      (most, { least, largest }) => Math.max(most, Math.abs(least[channel]!), Math.abs(largest[channel]!)),
      0,
    ),
  );
}

function smoothingOf(magnitudes: Float32Array, weights: Float32Array, strength: number): Float32Array {
  const logs = Array.from(magnitudes, (magnitude, channel) => {
    const weight = weights[channel]!;
    // A channel without values or weights is as well off with any factor.
    return magnitude === 0 || weight === 0
      ? undefined
      : strength * Math.log(magnitude) - (1 - strength) * Math.log(weight);
  });
  const present = logs.filter((value) => value !== undefined);
  const mean = present.reduce((sum, value) => sum + value, 0) / Math.max(1, present.length);
  const most = Math.log(MOST_SMOOTHING);
  return Float32Array.from(logs, (value) =>
    storedNumber(Math.exp(Math.max(-most, Math.min(most, (value ?? mean) - mean)))),
  );
}

/** The range of one application with the least squared error of the outputs, which is a mean over tokens. */
function chooseRange(
  { least, largest, rows }: ApplicationSample,
  squares: Float64Array,
  smoothing: Float32Array | undefined,
): { readonly scale: InputScale; readonly error: number } {
  const inputs = least.length;
  const tokens = rows.length / inputs;
  const factors = Float32Array.from({ length: inputs }, (_, channel) => 1 / (smoothing?.[channel] ?? 1));
  const weights = Float64Array.from(squares, (square, channel) => square / factors[channel]! ** 2);
  let [low, high] = [0, 0];
  for (let channel = 0; channel < inputs; channel++) {
    low = Math.min(low, least[channel]! * factors[channel]!);
    high = Math.max(high, largest[channel]! * factors[channel]!);
  }
  if (high === low) return { scale: { scale: 1, zeroPoint: 0 }, error: 0 };
  let best: { scale: InputScale; error: number } | undefined;
  for (const share of RANGES) {
    const scale = storedNumber((share * (high - low)) / STEPS);
    const zeroPoint = Math.max(0, Math.min(STEPS, Math.round((-share * low) / scale)));
    let error = 0;
    for (let row = 0; row < rows.length; row += inputs) {
      for (let channel = 0; channel < inputs; channel++) {
        const value = rows[row + channel]! * factors[channel]!;
        const step = Math.max(0, Math.min(STEPS, Math.round(value / scale) + zeroPoint));
        const difference = value - (step - zeroPoint) * scale;
        error += difference * difference * weights[channel]!;
      }
    }
    error /= tokens;
    if (best === undefined || error < best.error) best = { scale: { scale, zeroPoint }, error };
  }
  return best!;
}

/** The squared error of the outputs that rounding the kernel makes, for inputs as they were seen: a mean over tokens. */
function kernelError(
  kernel: readonly Tensor[],
  applications: readonly ApplicationSample[],
  smoothing: Float32Array | undefined,
): number {
  const inputs = applications[0]!.least.length;
  const energy = new Float64Array(inputs);
  let tokens = 0;
  for (const { rows } of applications) {
    tokens += rows.length / inputs;
    rows.forEach((value, at) => {
      energy[at % inputs]! += value * value;
    });
  }
  let error = 0;
  for (const { data } of kernel) {
    const columns = data.length / inputs;
    const factor = (at: number) => smoothing?.[Math.floor(at / columns)] ?? 1;
    const steps = new Float32Array(columns);
    data.forEach((weight, at) => {
      const column = at % columns;
      steps[column] = Math.max(steps[column]!, Math.abs(weight * factor(at)) / INT8_MAX);
    });
    data.forEach((weight, at) => {
      const step = steps[at % columns]!;
      if (step === 0) return;
      const smoothed = weight * factor(at);
      // In units of the kernel as it is: the input was divided by the same factor.
      const difference = (smoothed - Math.round(smoothed / step) * step) / factor(at);
      error += (difference * difference * energy[Math.floor(at / columns)]!) / tokens;
    });
  }
  return error;
}
