import { basename } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type FieldViolation, invalidInput } from "../../../errors.ts";
import type {
  DataSource as DataSourceMessage,
  DatasetSchema,
  DatasetService,
  EditDatasetRequest,
} from "../../../gen/albert/v1/training_pb.js";
import type { JobService } from "../../../jobs/job-service.ts";
import type { DataSource } from "../../../jobs/job-spec.ts";
import { isTerminal } from "../../../jobs/job-state.ts";
import { datasetsOf } from "../../../jobs/runner/resolved-spec.ts";
import type { DatasetVersion } from "../../../store/datasets.ts";
import { checkName } from "../../../store/names.ts";
import type { Store } from "../../../store/store.ts";
import type { Uploads } from "../../../store/uploads.ts";
import { versionName } from "../../../store/versions.ts";
import type { RowEdits } from "../../../training/data/editing/edit-rows.ts";
import type { ServiceHandlers } from "../../call/call.ts";
import { timestamp } from "../conversions.ts";
import { readSource } from "../job-messages.ts";
import { page, sizeOf } from "../paging.ts";
import type { DatasetWork } from "./dataset-work.ts";

// The handlers of `albert.v1.DatasetService`. They translate messages; the store and the checks do the work.

export interface DatasetServiceOptions {
  readonly store: Store;
  readonly uploads: Uploads;
  readonly jobs: JobService;
  /** Under which the jobs of this server register what they need in the store. */
  readonly holder: string;
  /** Largest chunk of an upload. */
  readonly maxChunkBytes: number;
  /** What is done with rows. */
  readonly work: DatasetWork;
}

/** The data that jobs train and evaluate on: every call of `albert.v1.DatasetService`. */
export function datasetService(options: DatasetServiceOptions): ServiceHandlers<typeof DatasetService> {
  const { store, uploads, maxChunkBytes, work } = options;
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
      const other = readSource(evaluation, "eval", violations);
      const train = requireSource(source, violations);
      const check = { source: train, task, model, recipe, ...(other === undefined ? {} : { eval: other }) };
      return work.validate(check, signal);
    },
    async listRows({ source, task, model, recipe, problem, label, text, offset, pageSize }, { signal }) {
      const wanted = { problem, label, text, offset, limit: sizeOf(pageSize) };
      return work.list({ source: requireSource(source, []), task, model, recipe }, wanted, signal);
    },
    async editDataset(request, { signal }) {
      const { source, task, recipe, name } = request;
      const violations: FieldViolation[] = [];
      const edits = readEdits(request, violations);
      const reading = { source: requireSource(source, violations), task, recipe };
      if (name !== "") checkName("name", name);
      const { dataset, rows, leftOut, changed } = await work.edit(reading, edits, name, signal);
      return { dataset: datasetMessage(dataset), rows, leftOut, changed };
    },
    async splitDataset({ source, task, recipe, heldOutShare: share, seed }, { signal }) {
      const violations: FieldViolation[] = [];
      if (!(share > 0 && share < 1)) {
        violations.push({ field: "held_out_share", description: `expected a share above 0 and below 1, got ${share}` });
      }
      if (seed > BigInt(Number.MAX_SAFE_INTEGER)) {
        violations.push({ field: "seed", description: `must be at most ${Number.MAX_SAFE_INTEGER}` });
      }
      const reading = { source: requireSource(source, violations), task, recipe };
      const { rows, train, heldOut } = await work.split(reading, { share, seed: Number(seed) }, signal);
      return {
        train: datasetMessage(train),
        trainRows: rows.train,
        heldOut: datasetMessage(heldOut),
        heldOutRows: rows.heldOut,
        leftOut: rows.leftOut,
      };
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

/** @throws AlbertError invalid-input with what is wrong so far, too */
function requireSource(message: DataSourceMessage | undefined, violations: FieldViolation[]): DataSource {
  const before = violations.length;
  const source = readSource(message, "source", violations);
  if (source === undefined && violations.length === before)
    violations.push({ field: "source", description: "is missing" });
  if (violations.length > 0 || source === undefined) throw invalidInput(violations);
  return source;
}

/** Rows that one call may change one by one: they are held at once. */
const MOST_EDITS = 10_000;

function readEdits(
  { edits, leaveOut, leaveOutProblems, renameLabels }: EditDatasetRequest,
  violations: FieldViolation[],
): RowEdits {
  if (edits.length > MOST_EDITS) {
    violations.push({ field: "edits", description: `must hold at most ${MOST_EDITS}, got ${edits.length}` });
  }
  for (const [i, { row, cells }] of edits.entries()) {
    const field = `edits[${i}]`;
    if (row === 0) violations.push({ field: `${field}.row`, description: "rows are numbered from 1" });
    if (cells.length === 0)
      violations.push({ field: `${field}.cells`, description: "must name a column and its value" });
  }
  for (const [i, { from, to }] of renameLabels.entries()) {
    if (from !== "" && to.trim() !== "") continue;
    violations.push({ field: `rename_labels[${i}]`, description: "needs a label and what it is to be" });
  }
  return {
    leaveOut: new Set(leaveOut),
    leaveOutProblems: new Set(leaveOutProblems),
    values: new Map(edits.map(({ row, cells }) => [row, new Map(cells.map(({ column, value }) => [column, value]))])),
    labels: new Map(renameLabels.map(({ from, to }) => [from, to.trim()])),
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
  origin,
}: DatasetVersion): MessageInitShape<typeof DatasetSchema> {
  const made = { origin: origin?.digest ?? "", madeBy: origin?.madeBy ?? "" };
  return { digest, name, bytes: BigInt(bytes), path: path ?? "", created: timestamp(created), ...made };
}
