// The yardstick of `bench/request-path.ts`, in a process of its own: a server of grpc-js and protobuf-es alone that decodes each request and encodes the
// same reply. Its argument is that reply, in base64.
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { ClassifyRequestSchema, ClassifyResponseSchema } from "../src/gen/albert/v1/inference_pb.js";
import { reportUsage } from "./report-usage.ts";

const reply = fromBinary(ClassifyResponseSchema, Buffer.from(process.argv[2] ?? "", "base64"));
const server = new Server();
server.addService(
  {
    classify: {
      path: "/albert.v1.InferenceService/Classify",
      requestStream: false,
      responseStream: false,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes: Buffer) => fromBinary(ClassifyRequestSchema, bytes),
      responseSerialize: (message: typeof reply) => Buffer.from(toBinary(ClassifyResponseSchema, message)),
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  },
  { classify: (_call: unknown, callback: (error: null, message: typeof reply) => void) => callback(null, reply) },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  reportUsage(`127.0.0.1:${port}`);
});
