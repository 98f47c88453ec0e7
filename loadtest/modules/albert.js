// One connection to the server for each virtual user, and a call on it whose end is counted.
import { sleep } from "k6";
import grpc from "k6/net/grpc";
import {
  answered,
  answerTime,
  countFailure,
  outcomeOf,
  pushbackMs,
  pushedBack,
  refusalTime,
  refused,
  turnedAway,
  unserved,
} from "./outcomes.js";
import { ADDRESS, ADMIN, ADMIN_TOKEN, CA, number, SERVER_NAME, TLS, TOKEN } from "./settings.js";

const INFERENCE = "albert.v1.InferenceService/";
const MODELS = "albert.v1.ModelService/";
const TIMEOUT = `${number("TIMEOUT_MS", 10_000)}ms`;
/** Attempts that no server took up are repeated this often, with this pause. */
const ATTEMPTS = 20;
const PAUSE_SECONDS = 0.1;

const client = new grpc.Client();
client.load(["../proto"], "albert/v1/inference.proto", "google/rpc/error_details.proto");
const administrator = new grpc.Client();
administrator.load(["../proto"], "albert/v1/models.proto", "google/rpc/error_details.proto");
const connected = { client: false, administrator: false };

/** Call metadata, in the form of k6. */
const metadata = (token = TOKEN) => (token === "" ? {} : { authorization: `Bearer ${token}` });

/** How connections are made. */
const TRANSPORT = {
  plaintext: !TLS,
  timeout: "10s",
  ...(CA === "" ? {} : { tls: { cacerts: CA } }),
  ...(SERVER_NAME === "" ? {} : { authority: SERVER_NAME }),
};

/** The connection of this virtual user, made when it is first needed. */
export function connection() {
  if (!connected.client) client.connect(ADDRESS, TRANSPORT);
  connected.client = true;
  return client;
}

/**
 * Makes one call, on a connection that is there already, and counts how it ended. What no server took up is tried again, as a client's retry policy would.
 *
 * @param task  tag of the counts, such as "classify"
 * @param method  name of a unary method of the inference service
 * @returns the message, or undefined where there is none; and after a refusal when to come again
 */
export function ask(task, method, request) {
  let began;
  let reply;
  let outcome;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const noConnection = connected.client ? undefined : connect();
    const sent = Date.now();
    began = began || sent;
    reply = noConnection || attemptCall(task, method, request);
    outcome = outcomeOf(reply);
    if (outcome === "answered") {
      answered.add(1, { task });
      answerTime.add(Date.now() - began, { task });
      return { message: reply.message };
    }
    if (outcome === "refused") {
      const waitMs = pushbackMs(reply);
      refused.add(1, { task });
      refusalTime.add(Date.now() - sent, { task });
      pushedBack.add(waitMs !== undefined);
      return { waitMs };
    }
    if (outcome === "failed") break;
    turnedAway.add(1, { task });
    sleep(PAUSE_SECONDS);
  }
  if (outcome === "turned away") unserved.add(1, { task });
  else countFailure(task, reply);
  return {};
}

/** Makes the connection, which does not count as waiting for an answer. @returns a reply only where that fails */
function connect() {
  try {
    connection();
  } catch (error) {
    return { status: grpc.StatusUnavailable, error: { message: `connection error: ${error}` } };
  }
  return undefined;
}

function attemptCall(task, method, request) {
  return connection().invoke(INFERENCE + method, request, { timeout: TIMEOUT, tags: { task }, metadata: metadata() });
}

/** Calls the service of models on the admin listener. @throws when it fails */
export function administrate(method, request) {
  if (!connected.administrator) administrator.connect(ADMIN, TRANSPORT);
  connected.administrator = true;
  const options = { timeout: "120s", metadata: metadata(ADMIN_TOKEN) };
  const { status, message, error } = administrator.invoke(MODELS + method, request, options);
  if (status !== grpc.StatusOK) throw new Error(`${method}: status ${status}: ${JSON.stringify(error)}`);
  return message;
}
