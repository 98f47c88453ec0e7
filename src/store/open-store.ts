import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join, resolve } from "node:path";
import { invalidInput } from "../errors.ts";
import { makeDirectory } from "../platform/directories.ts";
import { sweepCache } from "./cache-sweep.ts";
import { ABANDONED_MS } from "./gc.ts";
import { DirectoryObjectStore } from "./objects/directory-object-store.ts";
import { measuredObjectStore, type OperationListener } from "./objects/measured-object-store.ts";
import type { ObjectStore } from "./objects/object-store.ts";
import type { S3Location } from "./objects/s3-object-store.ts";
import { createStore, type Store, type StoreOptions } from "./store.ts";
import { openTemporaryCache } from "./temporary-cache.ts";

// Opens the store at a location, a directory or S3.

export interface OpenStoreOptions extends Omit<StoreOptions, "objects" | "cacheDirectory"> {
  /** Local directory for opened versions; by default inside a directory store, and in the temporary directory for S3. */
  readonly cacheDirectory?: string;
  /** Called for each operation on the place where bytes are kept. */
  readonly onOperation?: OperationListener;
}

/**
 * Opens the store at a location: a directory, made when it does not exist, or
 * `s3://bucket/prefix?endpoint=https://host:port&region=name` (both parameters optional; credentials come from where the
 * AWS SDK looks for them, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY).
 *
 * @throws AlbertError invalid-input for a location that is neither; forbidden or unavailable when S3 does not let us in
 */
export async function openStore(location: string, options: OpenStoreOptions = {}): Promise<Store> {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) {
    const directory = resolve(location);
    const objects = await DirectoryObjectStore.open(directory);
    const { cacheDirectory = await cacheInside(directory) } = options;
    return createSweptStore({
      ...options,
      cacheDirectory,
      objects: listenedTo(objects, options),
    });
  }
  const s3Location = parseS3Location(location);
  const { S3ObjectStore } = await import("./objects/s3-object-store.ts"); // a client of this size only loads where it is used
  const objects = await S3ObjectStore.open(s3Location);
  const { cacheDirectory = await openTemporaryCache(nameOf(location)) } = options;
  return createSweptStore({ ...options, cacheDirectory, objects: listenedTo(objects, options) });
}

/** The cache of a store in a directory is part of it, unless the directory is on a read-only disk. */
async function cacheInside(directory: string): Promise<string> {
  const inside = join(directory, "cache");
  try {
    await makeDirectory(inside);
    await access(inside, constants.W_OK);
    return inside;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EROFS") return inside; // who writes there meets the error
    return openTemporaryCache(nameOf(directory));
  }
}

/** What tells the temporary cache of one store from others': 16 hex digits. */
function nameOf(location: string): string {
  return createHash("sha256").update(location).digest("hex").slice(0, 16);
}

function listenedTo(objects: ObjectStore, { onOperation }: OpenStoreOptions): ObjectStore {
  return onOperation === undefined ? objects : measuredObjectStore(objects, onOperation);
}

async function createSweptStore(options: StoreOptions): Promise<Store> {
  await sweepCache(options.cacheDirectory, ABANDONED_MS);
  return createStore(options);
}

/** Takes `s3://bucket/prefix?endpoint=...&region=...` apart. @throws AlbertError invalid-input */
export function parseS3Location(location: string): S3Location {
  const refuse = (description: string) => invalidInput([{ field: "store", description }]);
  if (!URL.canParse(location)) throw refuse("expected a directory or s3://bucket/prefix");
  const url = new URL(location);
  if (url.protocol !== "s3:") throw refuse(`expected a directory or an s3:// location, got ${url.protocol}//`);
  if (url.hostname === "") throw refuse("the s3:// location names no bucket");
  if (url.username !== "" || url.password !== "") {
    throw refuse("credentials do not belong in the location; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  const unknown = [...url.searchParams.keys()].find((key) => key !== "endpoint" && key !== "region");
  if (unknown !== undefined) throw refuse(`unknown parameter ${unknown}: endpoint and region are known`);
  const prefix = url.pathname.replace(/^\/+|\/+$/g, "");
  if (prefix !== "" && !prefix.split("/").every((part) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(part))) {
    throw refuse("a prefix is made of letters, digits, dots, dashes, underscores and slashes");
  }
  const endpoint = url.searchParams.get("endpoint");
  const region = url.searchParams.get("region");
  return {
    bucket: url.hostname,
    prefix,
    ...(endpoint === null ? {} : { endpoint }),
    ...(region === null ? {} : { region }),
  };
}
