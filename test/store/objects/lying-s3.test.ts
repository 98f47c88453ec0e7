import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { S3ObjectStore } from "../../../src/store/objects/s3-object-store.ts";
import { createStore, type Store } from "../../../src/store/store.ts";
import { answerXml, etagOf, FakeS3, refuse, type S3Fault, type S3Request } from "../../support/fake-s3.ts";
import { SCRATCH } from "../../support/scratch.ts";
import { expectSound } from "../../support/sound.ts";
import { workshop } from "../../support/stores.ts";

const { path, modelDirectory } = workshop(SCRATCH);
let caches = 0;
let s3: FakeS3;
let store: Store;
let first: string;

beforeEach(async () => {
  s3 = new FakeS3();
  const objects = await S3ObjectStore.open(await s3.start());
  store = createStore({ objects, cacheDirectory: path(`cache-${caches++}`) });
  first = await modelDirectory();
  await store.versions.publish("m", first);
  await store.aliases.point("m", 1, { reason: "first" });
});
afterEach(async () => {
  await store.close();
  await s3.close();
});

const UNAVAILABLE = { code: "unavailable", reason: "STORE_UNAVAILABLE" };
const isBlob = ({ key }: S3Request) => key.includes("/blobs/");
const reads = ({ method, key }: S3Request) => method === "GET" && key !== "";
const lists = ({ key }: S3Request) => key === "";

/** Lets the first `times` requests that it is about meet a fault. */
function meets(which: (request: S3Request) => boolean, fault: S3Fault, times = Number.POSITIVE_INFINITY): void {
  let met = 0;
  s3.fault = (request, response, service) => which(request) && met++ < times && fault(request, response, service);
}

/** Every kind of answer that says or does the wrong thing. */
const FAULTS: Readonly<Record<string, S3Fault>> = {
  "answers 500": (_, response) => refuse(response, 500, "InternalError"),
  "answers 503": (_, response) => refuse(response, 503, "SlowDown"),
  "hangs up": (_, response) => response.destroy().destroyed,
  "never answers": () => true,
  "begins an answer and stops": (_, response) => {
    response.writeHead(200, { "content-length": 1000, etag: '"x"' }).write("abc");
    return true;
  },
  "cuts an answer short": ({ key }, response, { objects }) => {
    const bytes = objects.get(key) ?? Buffer.from("<ListBucketResult>");
    response.writeHead(200, { "content-length": bytes.length + 1, etag: etagOf(bytes) });
    response.write(bytes.subarray(0, bytes.length >> 1), () => response.destroy());
    return true;
  },
  "answers with the page of a proxy": (_, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<html><body>Sign in</body></html>");
    return true;
  },
  "answers 200 with an error in it": (_, response) => refuse(response, 200, "InternalError"),
};

describe.each(Object.entries(FAULTS))("an object storage that %s", { timeout: 60_000 }, (_, fault) => {
  it("once, at whatever, is asked again, and nothing comes of it", async () => {
    for (const which of [reads, lists, ({ method }: S3Request) => method === "HEAD"]) {
      meets(which, fault, 1);
      await store.versions.publish("m", await modelDirectory());
      await store.collectGarbage({ keepVersions: 9, keepAliasChanges: 9 });
      await expectSound(store, "m");
    }
    expect(await store.versions.list("m")).toHaveLength(4);
  });

  it("always is told as unavailable, and is taken for neither empty nor damaged", async () => {
    const [version] = await store.versions.list("m");
    const before = new Map(s3.objects);
    for (const which of [reads, lists]) {
      meets(which, fault);
      await expect(store.collectGarbage({ keepVersions: 1, keepAliasChanges: 0 })).rejects.toMatchObject(UNAVAILABLE);
    }
    await expect(store.versions.list("m")).rejects.toMatchObject(UNAVAILABLE);
    meets(({ method }) => method === "PUT", fault);
    await expect(store.aliases.point("m", 1, { reason: "now" })).rejects.toMatchObject(UNAVAILABLE);
    meets((request) => reads(request) && isBlob(request), fault);
    await expect(store.versions.materialise(version!)).rejects.toMatchObject(UNAVAILABLE);
    s3.fault = () => false;
    for (const [key, bytes] of before) {
      if (!/leases|collecting/.test(key)) expect(s3.objects.get(key), key).toEqual(bytes);
    }
    await expectSound(store, "m");
    await store.aliases.point("m", 1, { reason: "again" });
  });
});

describe("an object storage that lies", { timeout: 30_000 }, () => {
  it("about the bytes of a file once, costs that file nothing", async () => {
    const other = (_: S3Request, response: Parameters<S3Fault>[1]) => {
      response.writeHead(200, { "content-length": 3, etag: '"x"' }).end("abc");
      return true;
    };
    meets((request) => reads(request) && isBlob(request), other, 1);
    await expectSound(store, "m");
    expect([...s3.objects.keys()].filter((key) => key.includes("quarantine"))).toEqual([]);
  });

  it("about what there is, by a list from before a version was published, neither stops nor loses a publication", async () => {
    const before = [...s3.objects.keys()];
    const second = await modelDirectory();
    await store.versions.publish("m", second);
    s3.listed = () => before;
    expect((await store.versions.publish("m", await modelDirectory())).version).toBe(3);
    expect((await store.versions.publish("m", second)).version).toBe(2);
    await store.collectGarbage({ keepVersions: 1, keepAliasChanges: 0 });
    s3.listed = () => [...s3.objects.keys()];
    expect((await store.versions.list("m")).map(({ version }) => version)).toContain(3);
    await expectSound(store, "m");
  });

  it("about the tag of a record is refused, instead of being asked for ever", async () => {
    meets(
      (request) => reads(request) && request.key.includes("cells/aliases"),
      ({ key }, response, { objects }) => {
        response.writeHead(200, { etag: '"another"' }).end(objects.get(key));
        return true;
      },
    );
    await expect(store.aliases.point("m", 1, { reason: "x" })).rejects.toMatchObject(UNAVAILABLE);
  });

  it("about the end of a listing is not believed", async () => {
    meets(lists, (_, response) => {
      answerXml(
        response,
        200,
        "<ListBucketResult><Name>models</Name><KeyCount>0</KeyCount><IsTruncated>true</IsTruncated></ListBucketResult>",
      );
      return true;
    });
    await expect(store.versions.models()).rejects.toMatchObject(UNAVAILABLE);
  });
});
