import type { SearchService } from "../../gen/albert/v1/search_pb.js";
import type { ServiceHandlers } from "../call/call.ts";
import { askIndex } from "./ask-index.ts";
import { findPassages } from "./find-passages.ts";
import { indexInfo } from "./index-info.ts";
import type { SearchParts } from "./nearest-passages.ts";

/** Every call of `albert.v1.SearchService`. */
export function searchService(parts: SearchParts): ServiceHandlers<typeof SearchService> {
  return {
    listIndexes: async () => ({
      indexes: parts.indexes.list().map((status) => indexInfo(status, parts.serving.models)),
    }),
    findPassages: (request, context) => findPassages(parts, request, context),
    askIndex: (request, context) => askIndex(parts, request, context),
  };
}
