import type { GetVersionResponse, ModelVersion, Lineage as ProtoLineage } from "../../../gen/albert/v1/models_pb.js";
import type { Job } from "../../../gen/albert/v1/training_pb.js";
import { datasets, models, training } from "../../api.ts";
import { everyPage } from "../../parts/calls/every-page.ts";
import { hrefOf } from "../../parts/words/address.ts";

// Draws where a version came from: the versions before it, and between two of them the job, data and teacher that led on.

/** A version on the way, and how it was made. */
export interface Ancestor {
  /** `name@7`; undefined for one that is not in the store any more. */
  readonly name: string | undefined;
  readonly digest: string;
  /** What made it, the newest knowledge about it: the job, its data and its teacher. Empty for an import. */
  readonly made: readonly Link[];
}

interface Link {
  readonly text: string;
  readonly href?: string;
}

/** Further back nobody looks on this page. */
const MOST = 8;

/** A version and those it came from, the version itself first. */
export async function readLineage(details: GetVersionResponse, signal: AbortSignal): Promise<Ancestor[]> {
  const { items } = await everyPage(
    (page) => models.listVersions(page, { signal }),
    ({ versions }) => versions,
  );
  const byDigest = new Map(items.map((version) => [version.digest, version]));
  const names = await datasetNames(signal);
  const found: Ancestor[] = [];
  let current: GetVersionResponse | undefined = details;
  while (current !== undefined && found.length < MOST) {
    const { version, lineage } = current;
    const data = await dataOf(lineage, names, signal);
    found.push({ name: nameOf(version!), digest: version!.digest, made: madeBy(current, data, byDigest) });
    const parent: string = lineage?.parent ?? "";
    if (parent === "" || found.some(({ digest }) => digest === parent)) break;
    const stored = byDigest.get(parent);
    if (stored === undefined) {
      found.push({ name: undefined, digest: parent, made: [] });
      break;
    }
    current = await models.getVersion({ model: stored.model, version: String(stored.version) }, { signal });
  }
  return found;
}

/** Names of data sets by their digests; none where the caller may not see them. */
async function datasetNames(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  try {
    const { items } = await everyPage(
      (page) => datasets.listDatasets(page, { signal }),
      (reply) => reply.datasets,
    );
    return new Map(items.map(({ digest, name }) => [digest, name]));
  } catch {
    return new Map();
  }
}

function nameOf({ model, version }: ModelVersion): string {
  return `${model}@${version}`;
}

/** The data of a version as its job names it; the digests of its examples where the job is gone or may not be seen. */
async function dataOf(
  lineage: ProtoLineage | undefined,
  names: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<Link[]> {
  if (lineage === undefined) return [];
  const { spec } = lineage.jobId === "" ? {} : await jobOf(lineage.jobId, signal);
  const sources = { train: spec?.train, eval: spec?.eval, unlabelled: spec?.unlabelled };
  const named = Object.entries(sources).flatMap(([role, source]) =>
    source === undefined
      ? []
      : [`${role}: ${source.path || (names.get(source.dataset) ?? source.dataset.slice(0, 12))}`],
  );
  const examples = Object.entries(lineage.datasets).map(([role, digest]) => `${role}: ${digest.slice(0, 12)}`);
  return (named.length > 0 ? named : examples).map((text) => ({ text }));
}

async function jobOf(jobId: string, signal: AbortSignal): Promise<Pick<Job, "spec">> {
  try {
    return (await training.getJob({ jobId }, { signal })).job ?? {};
  } catch {
    return {};
  }
}

function madeBy(
  { lineage }: GetVersionResponse,
  data: readonly Link[],
  byDigest: ReadonlyMap<string, ModelVersion>,
): Link[] {
  if (lineage === undefined) return [];
  const teacher = byDigest.get(lineage.teacher);
  return [
    ...(lineage.jobId === "" ? [] : [{ text: `job ${lineage.jobId}`, href: hrefOf("jobs", { job: lineage.jobId }) }]),
    ...data,
    ...(lineage.teacher === ""
      ? []
      : [
          teacher === undefined
            ? { text: `teacher ${lineage.teacher.slice(0, 12)}` }
            : { text: `teacher ${nameOf(teacher)}`, href: hrefOf("versions", { of: nameOf(teacher) }) },
        ]),
  ];
}

/** The versions from the one that is looked at down to the first, each with what made it out of the one below. */
export function Lineage({ ancestors }: { readonly ancestors: readonly Ancestor[] }) {
  return (
    <ol class="lineage" aria-label="Lineage, newest first">
      {ancestors.map(({ name, digest, made }, i) => (
        <li key={digest}>
          <span class={i === 0 ? "node here" : "node"}>
            {name === undefined || i === 0 ? (
              <b>{name ?? "not in the store"}</b>
            ) : (
              <a href={hrefOf("versions", { of: name })}>{name}</a>
            )}{" "}
            <code>{digest.slice(0, 12)}</code>
          </span>
          {(made.length > 0 || i < ancestors.length - 1) && (
            <>
              <span class="step" aria-hidden="true" />
              <span class="made">
                {made.length === 0
                  ? "made from"
                  : made.map(({ text, href }, part) => (
                      <span key={text}>
                        {part > 0 ? " · " : ""}
                        {href === undefined ? text : <a href={href}>{text}</a>}
                      </span>
                    ))}
              </span>
            </>
          )}
        </li>
      ))}
      {ancestors.length === 1 && ancestors[0]!.made.length === 0 && (
        <li>
          <span class="step" aria-hidden="true" />
          <span class="made">imported, or bundled with the program</span>
        </li>
      )}
    </ol>
  );
}
