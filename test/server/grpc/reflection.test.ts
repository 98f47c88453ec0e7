import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { InferenceService } from "../../../src/gen/albert/v1/inference_pb.js";
import type { ServerReflectionRequest } from "../../../src/gen/grpc/reflection/v1/reflection_pb.js";
import { reflectionHandlers } from "../../../src/server/grpc/reflection.ts";

const { serverReflectionInfo } = reflectionHandlers([InferenceService]);

/** What the server says to one question. */
async function answer(messageRequest: ServerReflectionRequest["messageRequest"]) {
  const requests = async function* () {
    yield { host: "", messageRequest } as ServerReflectionRequest;
  };
  // The handler looks at nothing but its requests.
  for await (const reply of serverReflectionInfo(requests(), {} as never)) return reply.messageResponse;
  return undefined;
}

async function files(symbol: string): Promise<FileDescriptorProto[]> {
  const found = await answer({ case: "fileContainingSymbol", value: symbol });
  if (found?.case !== "fileDescriptorResponse") return [];
  return (found.value.fileDescriptorProto ?? []).map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}

describe("reflection", () => {
  it("sends the file that was asked for first: clients such as ghz take the first for the answer", async () => {
    for (const symbol of [
      "albert.v1.InferenceService",
      "albert.v1.InferenceService.Classify",
      "albert.v1.InferItem.encode",
    ]) {
      expect([symbol, (await files(symbol))[0]?.name]).toEqual([symbol, "albert/v1/inference.proto"]);
    }
  });

  it("sends every file that it imports too, each once and under the name by which it is imported", async () => {
    const sent = await files("albert.v1.InferenceService");
    const names = sent.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { dependency } of sent) for (const name of dependency) expect(names).toContain(name);
  });

  it("finds messages that no call names, such as the details of errors", async () => {
    expect((await files("google.rpc.BadRequest.FieldViolation"))[0]?.name).toBe("google/rpc/error_details.proto");
  });

  it("says not found to what it does not have", async () => {
    expect(await answer({ case: "fileContainingSymbol", value: "albert.v1.Nothing" })).toMatchObject({
      case: "errorResponse",
      value: { errorCode: 5 },
    });
  });
});
