import { basename } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type FieldViolation, invalidInput } from "../../errors.ts";
import type { DatasetSchema, DatasetService, ValidateDatasetResponseSchema } from "../../gen/albert/v1/training_pb.js";
import type { JobService } from "../../jobs/job-service.ts";
import { isTerminal } from "../../jobs/job-state.ts";
import { datasetsOf } from "../../jobs/runner/resolved-spec.ts";
import type { DatasetVersion } from "../../store/datasets.ts";
import type { Store } from "../../store/store.ts";
import type { Uploads } from "../../store/uploads.ts";
import { versionName } from "../../store/versions.ts";
import type { ServiceHandlers } from "../call/call.ts";
import { timestamp } from "./conversions.ts";
import { readSource } from "./job-messages.ts";
import { page } from "./paging.ts";
import type { DataCheck } from "./validate-data.ts";

// The handlers of `albert.v1.DatasetService`. They translate messages; the store and the checks do the work.

export interface DatasetServiceOptions {
  readonly store: Store;
  readonly uploads: Uploads;
  readonly jobs: JobService;
  /** Under which the jobs of this server register what they need in the store. */
  readonly holder: string;
  /** Largest chunk of an upload. */
  readonly maxChunkBytes: number;
  /** Reads a whole set and reports every problem with its line, unless the signal is aborted before. */
  readonly validate: (
    request: DataCheck,
    signal: AbortSignal,
  ) => Promise<MessageInitShape<typeof ValidateDatasetResponseSchema>>;
}

/** The data that jobs train and evaluate on: every call of `albert.v1.DatasetService`. */
export function datasetService(options: DatasetServiceOptions): ServiceHandlers<typeof DatasetService> {
  const { store, uploads, maxChunkBytes } = options;
  return {
    async beginUpload({ name, bytes, digest }) {
      const begun = await uploads.begin({ name, bytes: Number(bytes), digest });
      return { uploadId: begun.uploadId, receivedBytes: BigInt(begun.receivedBytes), maxChunkBytes };
    },
    async uploadChunk({ uploadId, offset, data }) {
      if (data.length > maxChunkBytes) {
        throw invalidInput([
          { field: "data", description: `must have at most ${maxChunkBytes} bytes, got ${data.length}` },
        ]);
      }
      const { receivedBytes } = await uploads.append(uploadId, Number(offset), data);
      return { receivedBytes: BigInt(receivedBytes) };
    },
    async commitUpload({ uploadId }) {
      return { dataset: datasetMessage(await uploads.commit(uploadId)) };
    },
    async registerDataset({ path, name }) {
      return { dataset: datasetMessage(await store.datasets.register(name === "" ? basename(path) : name, path)) };
    },
    async validateDataset({ source, task, model, eval: evaluation, recipe }, { signal }) {
      const violations: FieldViolation[] = [];
      const train = readSource(source, "source", violations);
      const other = readSource(evaluation, "eval", violations);
      if (train === undefined && violations.length === 0)
        violations.push({ field: "source", description: "is missing" });
      if (violations.length > 0 || train === undefined) throw invalidInput(violations);
      const check = { source: train, task, model, recipe, ...(other === undefined ? {} : { eval: other }) };
      return options.validate(check, signal);
    },
    async listDatasets(request) {
      const { items, nextPageToken } = page(await store.datasets.list(), request);
      return { datasets: items.map(datasetMessage), nextPageToken };
    },
    async deleteDataset({ digest: given }) {
      const digest = await store.datasets.whole(given);
      await store.datasets.delete(digest, await referencesTo(digest, options));
      return {};
    },
  };
}

/** Jobs that are not over, here and on other servers, and versions that came from it. */
async function referencesTo(digest: string, { store, jobs, holder }: DatasetServiceOptions): Promise<string[]> {
  const own = jobs.list().filter(({ state, spec }) => !isTerminal(state) && datasetsOf(spec).includes(digest));
  const others = (await store.references.list()).filter(
    (reference) => reference.holder !== holder && reference.datasets.includes(digest),
  );
  const references = [...own.map(({ id }) => `job ${id}`), ...others.map(({ description }) => description)];
  for (const model of await store.versions.models()) {
    for (const version of await store.versions.list(model)) {
      const { stored = [] } = version.manifest.lineage ?? {};
      if (stored.includes(digest)) references.push(`version ${versionName(version)}`);
    }
  }
  return references;
}

function datasetMessage({
  digest,
  name,
  bytes,
  path,
  created,
}: DatasetVersion): MessageInitShape<typeof DatasetSchema> {
  return { digest, name, bytes: BigInt(bytes), path: path ?? "", created: timestamp(created) };
}
