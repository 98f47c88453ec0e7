import { readFileSync } from "node:fs";
import type { Server } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer, type PackageDefinition } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";

/**
 * Adds grpc.reflection v1 and v1alpha for the named services, so that tools can call them without the .proto files.
 *
 * @param services  full names, such as `albert.v1.InferenceService`; others in the descriptors stay invisible
 */
export function addReflection(server: Server, services: readonly string[]): void {
  new ReflectionService(publicDescriptors(), { services: [...services] }).addToServer(server);
}

/** Descriptors of every .proto file of the project, as `npm run proto` wrote them. */
function publicDescriptors(): PackageDefinition {
  return loadFileDescriptorSetFromBuffer(readFileSync(new URL("../../gen/descriptors.binpb", import.meta.url)));
}
