import { type DescFile, type DescMessage, type DescService, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.js";
import type {
  ServerReflection,
  ServerReflectionRequest,
  ServerReflectionResponseSchema,
} from "../../gen/grpc/reflection/v1/reflection_pb.js";
import type { ServiceHandlers } from "../call/call.ts";
import { GRPC_STATUS } from "../errors/error-table.ts";

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

/**
 * The reflection service over the descriptors that the generated code carries. v1 and v1alpha differ in nothing but their
 * package, so one implementation answers both.
 *
 * @param services  what `list` names and whose files can be asked for; may grow until the first call
 */
export function reflectionHandlers(services: readonly DescService[]): ServiceHandlers<typeof ServerReflection> {
  return {
    serverReflectionInfo: async function* (requests) {
      const files = allFiles(services);
      for await (const request of requests) {
        const messageResponse = answerTo(request, services, files);
        yield { validHost: request.host, originalRequest: request, messageResponse };
      }
    },
  };
}

function answerTo(
  { messageRequest }: ServerReflectionRequest,
  services: readonly DescService[],
  files: ReadonlyMap<string, DescFile>,
): Answer {
  switch (messageRequest.case) {
    case "listServices": {
      const names = services.map(({ typeName }) => typeName).sort();
      return { case: "listServicesResponse", value: { service: names.map((name) => ({ name })) } };
    }
    case "fileByFilename":
      return fileAnswer(files.get(messageRequest.value));
    case "fileContainingSymbol": {
      const symbol = messageRequest.value.replace(/^\./, "");
      return fileAnswer([...files.values()].find((file) => symbolsOf(file).has(symbol)));
    }
    default:
      // The contract has no extensions.
      return notFound();
  }
}

function fileAnswer(file: DescFile | undefined): Answer {
  if (file === undefined) return notFound();
  const fileDescriptorProto = withDependencies(file).map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function notFound(): Answer {
  const value = { errorCode: GRPC_STATUS.NOT_FOUND, errorMessage: "this server has no such file, symbol or extension" };
  return { case: "errorResponse", value };
}

/** A file and everything it imports, each once. The file itself comes first: some clients take the first one for the answer. */
function withDependencies(file: DescFile, seen: Set<DescFile> = new Set()): DescFile[] {
  if (seen.has(file)) return [];
  seen.add(file);
  return [file, ...file.dependencies.flatMap((dependency) => withDependencies(dependency, seen))];
}

function allFiles(services: readonly DescService[]): Map<string, DescFile> {
  const seen = new Set<DescFile>();
  // No file imports the details of errors, but a client that shows an error needs them.
  const roots = [...services.map(({ file }) => file), file_google_rpc_error_details];
  const files = roots.flatMap((file) => withDependencies(file, seen));
  return new Map(files.map((file) => [file.proto.name, file]));
}

/** Full names of everything a file declares. */
function symbolsOf(file: DescFile): Set<string> {
  const names = new Set<string>();
  for (const { typeName, methods } of file.services) {
    names.add(typeName);
    for (const { name } of methods) names.add(`${typeName}.${name}`);
  }
  for (const { typeName } of file.enums) names.add(typeName);
  for (const message of file.messages) addMessage(message, names);
  return names;
}

function addMessage(message: DescMessage, names: Set<string>): void {
  names.add(message.typeName);
  for (const { name } of message.fields) names.add(`${message.typeName}.${name}`);
  for (const { typeName } of message.nestedEnums) names.add(typeName);
  for (const nested of message.nestedMessages) addMessage(nested, names);
}
