// What every load test can be told with `-e NAME=value`; docs/load-testing.md lists the names.

/** Where the inference services listen. */
export const ADDRESS = __ENV.ADDRESS || "127.0.0.1:50051";
/** Where the services for administrators listen. */
export const ADMIN = __ENV.ADMIN || "127.0.0.1:50052";
/** Where /metrics answers. */
export const METRICS = __ENV.METRICS || "127.0.0.1:9464";
/** Directory of the summaries. */
export const OUT = __ENV.OUT || "loadtest/out";
/** File of authorities in PEM that vouch for the server; those of the machine unless given. A path from the folder of the modules, or a whole one. */
export const CA = __ENV.CA ? open(__ENV.CA) : "";
/** Whether connections are encrypted. */
export const TLS = __ENV.TLS === "true" || CA !== "";
/** The name in the server's certificate, where it is not that of the address. */
export const SERVER_NAME = __ENV.SERVER_NAME || "";
/** Bearer token sent with each call; none by default. */
export const TOKEN = __ENV.TOKEN || "";
/** The one sent with each call to the services for administrators; the same by default. */
export const ADMIN_TOKEN = __ENV.ADMIN_TOKEN || TOKEN;
/** Models that are asked. */
export const CLASSIFIER = __ENV.CLASSIFIER || "sentiment";
export const READER = __ENV.READER || "question-answering";

/** A number that may be given from outside. */
export function number(name, preset) {
  const given = __ENV[name];
  if (given === undefined || given === "") return preset;
  const value = Number(given);
  if (!(value >= 0)) throw new Error(`expected a number of at least 0 for ${name}, got "${given}"`);
  return value;
}

/** How long the load lasts, in k6's notation. */
export function duration(preset) {
  return __ENV.DURATION || preset;
}

/** Requests arrive at a fixed rate whether or not earlier ones were answered, as they do in life. */
export function arrivals(rate, lasting, more = {}) {
  return {
    executor: "constant-arrival-rate",
    rate,
    timeUnit: "1s",
    duration: lasting,
    preAllocatedVUs: Math.min(200, Math.max(10, rate)),
    maxVUs: Math.max(200, 4 * rate),
    gracefulStop: "30s",
    ...more,
  };
}
