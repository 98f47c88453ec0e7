import { createHash, randomUUID } from "node:crypto";
import { lstat, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError, corrupt, invalidInput } from "../errors.ts";
import { MANIFEST_FILE } from "../model/directory/manifest.ts";
import type { ModelManifest } from "../model/directory/model-directory.ts";
import { verifyModelDirectory } from "../model/directory/open-model-directory.ts";
import { decodeRecord, encodeRecord, isDamagedRecord } from "../model/formats/records.ts";
import { createDirectoryAtomically } from "../platform/atomic-files.ts";
import type { Blobs } from "./blobs.ts";
import { ambiguousDigest, checkName } from "./names.ts";
import { bytesBody, type ObjectStore } from "./objects/object-store.ts";
import type { StoreClock, WriteLeases } from "./write-leases.ts";

// The versions of every model: publishing, listing, fetching and removing them. Which one serves is said by the
// aliases.

/** One immutable version of a model. */
export interface ModelVersion {
  readonly model: string;
  /** Counts up from 1 within a model; never given twice. */
  readonly version: number;
  /** `Model.digest`. */
  readonly digest: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** Of all its files. */
  readonly bytes: number;
  readonly manifest: ModelManifest;
  /** Every file of the model directory, `manifest.json` among them. */
  readonly files: Readonly<Record<string, StoredFile>>;
}

export interface StoredFile {
  readonly sha256: string;
  readonly bytes: number;
}

export interface VersionsOptions {
  readonly objects: ObjectStore;
  readonly blobs: Blobs;
  readonly leases: WriteLeases;
  readonly clock: StoreClock;
  /** Local directory in which `materialise` keeps opened versions. */
  readonly cacheDirectory: string;
  /** Told whether the local copy of a version that is wanted was there and sound. */
  readonly onCacheLookup: (hit: boolean) => void;
}

/**
 * The versions of every model. A version exists from the instant its record does, which is written last: its files are
 * there before.
 *
 *     models/<model>/versions/<number>.json   the record
 *     models/<model>/removed/<number>.json    what is left of a version that retention removed, or whose damaged record was set aside
 *     models/<model>/pins/<number>            present: retention leaves the version alone
 *     models/<model>/reports/<number>/<kind>  a report about the version, such as a gate's
 */
export class Versions {
  readonly #options: VersionsOptions;
  /** Local directories that are being filled, so that two callers of one version share the work. */
  readonly #materialising = new Map<string, Promise<string>>();

  constructor(options: VersionsOptions) {
    this.#options = options;
  }

  /**
   * Stores a model directory of ours as the model's next version. The same contents are stored once: publishing them
   * again returns the version that has them, and restores any of its files that the store has lost. A job publishes once: where a
   * version of the same job exists, whatever its bytes, that is returned.
   *
   * @throws AlbertError corrupt when the directory contradicts its manifest
   */
  async publish(model: string, path: string): Promise<ModelVersion> {
    checkName("model", model);
    const { manifest, digest, directory } = await verifyModelDirectory(path);
    const manifestDigest = createHash("sha256")
      .update(await readFile(join(directory, MANIFEST_FILE)))
      .digest("hex");
    const digests = { ...manifest.files, [MANIFEST_FILE]: manifestDigest };
    const jobId = manifest.lineage?.jobId ?? "";
    const isSame = (known: ModelVersion) =>
      known.digest === digest || (jobId !== "" && known.manifest.lineage?.jobId === jobId);
    const { blobs, leases } = this.#options;
    return leases.write({ blobs: Object.values(digests) }, async (stillHeld) => {
      const files: Record<string, StoredFile> = {};
      for (const [file, sha256] of Object.entries(digests)) {
        await blobs.put(sha256, join(directory, file));
        files[file] = { sha256, bytes: (await stat(join(directory, file))).size };
      }
      const bytes = Object.values(files).reduce((sum, file) => sum + file.bytes, 0);
      for (let taken = 0; ; ) {
        // The number first: another process that publishes the same contents meanwhile is either seen below or takes this very number.
        const version = 1 + Math.max(taken, await this.#highestNumber(model));
        const existing = (await this.list(model)).find((known) => isSame(known));
        if (existing !== undefined) return existing;
        const record: ModelVersion = {
          model,
          version,
          digest,
          created: this.#options.clock.now(),
          bytes,
          manifest,
          files,
        };
        stillHeld();
        // The random part tells this record from one that another publisher writes under the same number.
        const body = bytesBody(encodeRecord({ ...record, publication: randomUUID() }));
        if (await this.#options.objects.putIfAbsent(recordKey(model, version), body)) return record;
        const first = await this.#options.objects.get(recordKey(model, version));
        const other = first === undefined ? undefined : parseUnlessDamaged(first);
        if (other !== undefined && isSame(other)) return other;
        taken = version; // by whom the list may not show yet
      }
    });
  }

  /** @throws AlbertError not-found, saying when it was removed if it was */
  async get(model: string, version: number): Promise<ModelVersion> {
    checkName("model", model);
    const bytes = await this.#options.objects.get(recordKey(model, version));
    if (bytes !== undefined) return parseRecord(bytes);
    const removed = await this.#options.objects.get(removedKey(model, version));
    const what =
      removed === undefined ? "does not exist" : "is gone: retention removed it, or its damaged record was set aside";
    throw new AlbertError("not-found", `version ${version} of ${model} ${what}`, {
      reason: removed === undefined ? "VERSION_NOT_FOUND" : "VERSION_REMOVED",
      metadata: { model, version: String(version) },
    });
  }

  /** Every version of a model whose record can be read, oldest first; none for a model that does not exist. */
  async list(model: string): Promise<ModelVersion[]> {
    return (await this.#records(model)).map(parseUnlessDamaged).filter((version) => version !== undefined);
  }

  /**
   * Every version of a model, oldest first, for callers that remove what is not listed.
   *
   * @throws AlbertError corrupt (RECORD_CORRUPT) when one record is damaged
   */
  async listAll(model: string): Promise<ModelVersion[]> {
    const records = await this.#records(model);
    // A list may be behind what it lists, a read may not.
    for (let next = 1 + (await this.#highestNumber(model)); ; next++) {
      const unlisted = await this.#options.objects.get(recordKey(model, next));
      if (unlisted === undefined) return records.map(parseRecord);
      records.push(unlisted);
    }
  }

  async #records(model: string): Promise<Uint8Array[]> {
    checkName("model", model);
    const records = await Promise.all(
      (await this.#numbers(model, "versions")).map((version) => this.#options.objects.get(recordKey(model, version))),
    );
    return records.filter((bytes) => bytes !== undefined);
  }

  /** Names of the models that have a version. */
  async models(): Promise<string[]> {
    const names = new Set<string>();
    for await (const { key } of this.#options.objects.list("models/")) {
      const [, model, part] = key.split("/");
      if (model !== undefined && part === "versions") names.add(model);
    }
    return [...names].sort();
  }

  /**
   * The version whose digest begins with `prefix` (at least 6 hex digits).
   *
   * @throws AlbertError not-found, or invalid-input when several do
   */
  async byDigest(model: string, prefix: string): Promise<ModelVersion> {
    const found = (await this.list(model)).filter(({ digest }) => digest.startsWith(prefix));
    if (found.length === 1 && /^[0-9a-f]{6,64}$/.test(prefix)) return found[0]!;
    if (found.length > 1) {
      const digests = found.map(({ digest, version }) => `${digest} (version ${version})`);
      throw ambiguousDigest("version", prefix, digests);
    }
    throw new AlbertError("not-found", `no version of ${model} has a digest that begins with ${prefix}`, {
      reason: "VERSION_NOT_FOUND",
    });
  }

  /**
   * A local model directory with the version's files, for `openModelDirectory`; made once per version and verified each
   * time. The caller must not change it.
   *
   * @throws AlbertError corrupt (BLOB_MISSING, BLOB_CORRUPT) naming the file
   */
  async materialise(version: ModelVersion): Promise<string> {
    const directory = this.#localDirectory(version);
    const running = this.#materialising.get(directory) ?? this.#materialise(version, directory);
    this.#materialising.set(directory, running);
    return running.finally(() => this.#materialising.delete(directory));
  }

  /**
   * Opens a version from its local directory. A directory that is there already is not read twice: `open` must verify it,
   * and where it finds it corrupt, it gets one made anew.
   *
   * @throws AlbertError as `open` and `materialise` do
   */
  async open<T>(version: ModelVersion, open: (directory: string) => Promise<T>): Promise<T> {
    const directory = this.#localDirectory(version);
    if ((await lstat(directory).catch(() => undefined)) !== undefined) {
      try {
        const opened = await open(directory);
        this.#options.onCacheLookup(true);
        return opened;
      } catch (error) {
        if (!(error instanceof AlbertError && error.code === "corrupt")) throw error;
      }
    }
    return open(await this.materialise(version));
  }

  #localDirectory({ files }: ModelVersion): string {
    return join(this.#options.cacheDirectory, "models", files[MANIFEST_FILE]!.sha256);
  }

  async #materialise({ files, digest }: ModelVersion, directory: string): Promise<string> {
    const verified = () => verifyModelDirectory(directory).then((found) => found.digest === digest);
    const exists = (await lstat(directory).catch(() => undefined)) !== undefined;
    const sound = exists && (await verified().catch(() => false));
    this.#options.onCacheLookup(sound);
    if (sound) return directory;
    if (exists) await rm(directory, { recursive: true, force: true });
    await createDirectoryAtomically(directory, async (temporary) => {
      for (const [file, { sha256 }] of Object.entries(files)) {
        await this.#options.blobs.fetch(sha256, join(temporary, file));
      }
    }).catch((error: unknown) => {
      if (!(error instanceof AlbertError && error.code === "already-exists")) throw error; // another process made it
    });
    if (!(await verified())) {
      throw corrupt(`the files of version ${digest} make another model`, { reason: "DIGEST_MISMATCH" });
    }
    return directory;
  }

  /** Removes what `materialise` made of a version that is gone. @param needed  sha256 of the blobs that others still need */
  async removeLocal({ files }: ModelVersion, needed: ReadonlySet<string>): Promise<void> {
    const manifest = files[MANIFEST_FILE]!.sha256;
    if (needed.has(manifest)) return; // the same directory serves another model's version
    await rm(join(this.#options.cacheDirectory, "models", manifest), { recursive: true, force: true });
  }

  /** Keeps a version from retention, or no longer. */
  async setPinned(model: string, version: number, pinned: boolean): Promise<void> {
    const { leases, objects } = this.#options;
    await leases.write({ versions: [versionName({ model, version })] }, async () => {
      await this.get(model, version);
      if (pinned) await objects.putIfAbsent(pinKey(model, version), bytesBody(new Uint8Array(0)));
      else await objects.delete(pinKey(model, version));
    });
  }

  async isPinned(model: string, version: number): Promise<boolean> {
    return (await this.#options.objects.head(pinKey(model, version))) !== undefined;
  }

  /**
   * Attaches a report to a version, forever.
   *
   * @param kind  such as "gate"; one version has one report of a kind
   * @throws AlbertError already-exists when it has another report of this kind
   */
  async attachReport(model: string, version: number, kind: string, report: object): Promise<void> {
    checkName("kind", kind);
    await this.get(model, version);
    if (!(await this.#options.objects.putIfAbsent(reportKey(model, version, kind), bytesBody(encodeRecord(report))))) {
      throw new AlbertError("already-exists", `version ${version} of ${model} has another ${kind} report`, {
        reason: "REPORT_EXISTS",
      });
    }
  }

  /** A report as it was attached, or undefined. @throws AlbertError corrupt (RECORD_CORRUPT) when it is damaged */
  async report(model: string, version: number, kind: string): Promise<object | undefined> {
    checkName("model", model);
    checkName("kind", kind);
    const bytes = await this.#options.objects.get(reportKey(model, version, kind));
    return bytes === undefined
      ? undefined
      : decodeRecord(bytes, `the ${kind} report of ${versionName({ model, version })}`);
  }

  /** Removes a version's record and leaves a note of what it was. Only for the garbage collection. */
  async remove({ model, version, digest, created }: ModelVersion): Promise<void> {
    const { objects, clock } = this.#options;
    const note = { model, version, digest, created, removed: clock.now() };
    await objects.putIfAbsent(removedKey(model, version), bytesBody(encodeRecord(note)));
    await objects.delete(recordKey(model, version));
  }

  async #highestNumber(model: string): Promise<number> {
    const removed = await this.#numbers(model, "removed");
    return Math.max(0, ...removed, ...(await this.#numbers(model, "versions")));
  }

  async #numbers(model: string, part: "versions" | "removed"): Promise<number[]> {
    const numbers: number[] = [];
    for await (const { key } of this.#options.objects.list(`models/${model}/${part}/`)) {
      const match = /\/(\d+)\.json$/.exec(key);
      if (match !== null) numbers.push(Number(match[1]));
    }
    return numbers.sort((a, b) => a - b);
  }
}

/** How leases and messages call a version: `model@number`. */
export function versionName({ model, version }: Pick<ModelVersion, "model" | "version">): string {
  return `${model}@${version}`;
}

const recordKey = (model: string, version: number) => `models/${model}/versions/${numbered(version)}.json`;
const removedKey = (model: string, version: number) => `models/${model}/removed/${numbered(version)}.json`;
const pinKey = (model: string, version: number) => `models/${model}/pins/${numbered(version)}`;
const reportKey = (model: string, version: number, kind: string) =>
  `models/${model}/reports/${numbered(version)}/${kind}.json`;

/** A number as part of a key. @throws AlbertError invalid-input when it is no version number */
function numbered(version: number): string {
  if (!Number.isSafeInteger(version) || version < 1 || version > 999_999) {
    throw invalidInput([{ field: "version", description: `expected a version number from 1, got ${version}` }]);
  }
  return String(version).padStart(6, "0");
}

function parseRecord(bytes: Uint8Array): ModelVersion {
  const { publication: _, ...record } = decodeRecord<ModelVersion & { readonly publication?: string }>(
    bytes,
    "a version record of the store",
  );
  return record;
}

function parseUnlessDamaged(bytes: Uint8Array): ModelVersion | undefined {
  try {
    return parseRecord(bytes);
  } catch (error) {
    if (!isDamagedRecord(error)) throw error;
    return undefined;
  }
}
