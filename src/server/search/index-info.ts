import type { MessageInitShape } from "@bufbuild/protobuf";
import { Pooling } from "../../gen/albert/v1/inference_pb.js";
import { type IndexInfoSchema, IndexState } from "../../gen/albert/v1/search_pb.js";
import type { IndexStatus } from "../../search/served/served-index.ts";
import type { ModelRegistry } from "../../serving/models/registry.ts";

const STATES: Readonly<Record<IndexStatus["state"], IndexState>> = {
  loading: IndexState.LOADING,
  serving: IndexState.SERVING,
  failed: IndexState.FAILED,
};

const POOLINGS = { mean: Pooling.MEAN, cls: Pooling.CLS } as const;

/** An index as `ListIndexes` tells it. */
export function indexInfo(
  { name, state, failure = "", summary }: IndexStatus,
  live: Pick<ModelRegistry, "nameOfDigest">,
): MessageInitShape<typeof IndexInfoSchema> {
  const base = { name, state: STATES[state], failure };
  if (summary === undefined) return base;
  const { digest, files, passages, textBytes, passageTokens, encoder } = summary;
  const { name: encoderName, digest: encoderDigest, pooling, width } = encoder;
  return {
    ...{ ...base, digest, files, passages, passageTokens, textBytes: BigInt(textBytes) },
    encoder: {
      ...{ name: encoderName, digest: encoderDigest, pooling: POOLINGS[pooling], width },
      model: live.nameOfDigest(encoderDigest) ?? "",
    },
  };
}
