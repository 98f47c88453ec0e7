import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openStore, parseS3Location } from "../../src/store/open-store.ts";
import { workshop } from "../support/stores.ts";

const { path, modelDirectory } = workshop();

describe("the location of a store", () => {
  it("is a directory, which is made", async () => {
    const store = await openStore(path("new/store"));
    const version = await store.versions.publish("m", await modelDirectory());
    expect((await store.versions.materialise(version)).startsWith(path("new/store/cache"))).toBe(true);
    expect(existsSync(path("new/store/objects/models/m"))).toBe(true);
  });

  it("is a bucket, with a prefix, endpoint and region if need be", () => {
    expect(parseS3Location("s3://bucket")).toEqual({ bucket: "bucket", prefix: "" });
    expect(parseS3Location("s3://my-bucket/a/b/?region=eu-central-1&endpoint=http://127.0.0.1:9000")).toEqual({
      bucket: "my-bucket",
      prefix: "a/b",
      region: "eu-central-1",
      endpoint: "http://127.0.0.1:9000",
    });
  });

  it.each([
    ["http://host/store", /expected a directory or an s3:\/\/ location/],
    ["s3://", /bucket|expected/],
    ["s3://key:secret@bucket", /credentials do not belong/],
    ["s3://bucket?regoin=x", /unknown parameter regoin/],
    ["s3://bucket/a//b", /a prefix is made of/],
    ["s3://bucket/.hidden", /a prefix is made of/],
  ])("is refused as %s", async (location, message) => {
    await expect(openStore(location)).rejects.toThrow(message);
    await expect(openStore(location)).rejects.toMatchObject({ code: "invalid-input" });
  });
});
