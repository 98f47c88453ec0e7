import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { AlbertError, invalidInput } from "../../../src/errors.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  RetryInfoSchema,
} from "../../../src/gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "../../../src/gen/google/rpc/status_pb.js";
import { ERROR_ROWS, errorRow, STATUS_OF_CODE } from "../../../src/server/errors/error-table.ts";
import { errorsPage } from "../../../src/server/errors/errors-page.ts";
import { toAlbertError, toWireError } from "../../../src/server/errors/status.ts";

const root = join(import.meta.dirname, "../../..");

function detail<S extends Parameters<typeof anyUnpack>[1]>(status: Status, schema: S) {
  return status.details.map((any) => anyUnpack(any, schema)).find((found) => found !== undefined);
}

describe("the status of an error", () => {
  it("names reason, domain and numbers", () => {
    const error = new AlbertError("overloaded", "busy", {
      reason: "QUEUE_FULL",
      metadata: { bound: "2" },
      retryAfterMs: 80,
    });
    const { status, statusName } = toWireError(error);
    expect(statusName).toBe("RESOURCE_EXHAUSTED");
    expect(detail(status, ErrorInfoSchema)).toMatchObject({
      reason: "QUEUE_FULL",
      domain: "albert",
      metadata: { bound: "2" },
    });
    expect(detail(status, RetryInfoSchema)).toMatchObject({ retryDelay: { seconds: 0n, nanos: 80_000_000 } });
  });

  it("pushes a retry back by exactly the delay that the error advises", () => {
    const error = new AlbertError("unavailable", "later", { reason: "DRAINING", retryAfterMs: 1234 });
    expect(toWireError(error).retryPushbackMs).toBe(1234);
  });

  it("tells clients not to retry what cannot succeed, and leaves the rest to them", () => {
    const pushback = (code: AlbertError["code"], reason: string) =>
      toWireError(new AlbertError(code, "x", { reason })).retryPushbackMs;
    expect(pushback("invalid-input", "FIELD_INVALID")).toBe(-1);
    expect(pushback("deadline", "DEADLINE_TOO_SHORT")).toBe(-1);
    expect(pushback("deadline", "DEADLINE_PASSED")).toBeUndefined();
    expect(pushback("unavailable", "WORKER_LOST")).toBeUndefined();
    expect(pushback("conflict", "SOMETHING_NEW")).toBe(-1);
    expect(pushback("unavailable", "SOMETHING_NEW")).toBeUndefined();
  });

  it("lists every wrong field", () => {
    const { status } = toWireError(
      invalidInput([
        { field: "a", description: "1" },
        { field: "b", description: "2" },
      ]),
    );
    expect(detail(status, BadRequestSchema)!.fieldViolations).toMatchObject([{ field: "a" }, { field: "b" }]);
  });

  it("stays within the size that clients accept in a trailer, and says how much it left out", () => {
    const violations = Array.from({ length: 5000 }, (_, i) => ({
      field: `items[${i}]`,
      description: "must not be empty",
    }));
    const { status } = toWireError(invalidInput(violations));
    expect(toBinary(StatusSchema, status).length).toBeLessThan(4096);
    const kept = detail(status, BadRequestSchema)!.fieldViolations;
    expect(kept[0]).toMatchObject({ field: "items[0]" });
    expect(kept.at(-1)!.description).toBe(`and ${5000 - (kept.length - 1)} more`);
  });

  it("shows unmet conditions one by one", () => {
    const violations = [{ field: "accuracy", description: "0.8 is below 0.9" }];
    const error = new AlbertError("precondition", "gate failed", { reason: "GATE_FAILED", violations });
    expect(detail(toWireError(error).status, PreconditionFailureSchema)!.violations).toMatchObject([
      { type: "GATE_FAILED", subject: "accuracy" },
    ]);
  });

  it("is well-formed text even when a name in it was cut or broken", () => {
    const error = new AlbertError("not-found", `\ud800${"😀".repeat(400)}`, { reason: "MODEL_NOT_FOUND" });
    expect(toWireError(error).status.message).not.toMatch(/\p{Surrogate}/u);
  });
});

describe("an error that is not ours", () => {
  it("reaches the log, and the caller learns an incident id only", () => {
    const logged: [string, unknown][] = [];
    const bug = new TypeError("cannot read properties of /etc/secret");
    const error = toAlbertError(bug, (...entry) => logged.push(entry));
    expect(error).toMatchObject({ code: "internal", reason: "BUG" });
    expect(error.message).not.toContain("secret");
    expect(logged).toEqual([[error.metadata["incident"], bug]]);
  });

  it("hides what the runtime said about its failure", () => {
    const failure = new AlbertError("backend", "node /tmp/model.onnx: bad shape", { reason: "BATCH_FAILED" });
    const error = toAlbertError(failure, () => {});
    expect(error.reason).toBe("BATCH_FAILED");
    expect(error.message).not.toContain("onnx");
  });
});

describe("the table of reasons", () => {
  it("has each reason once", () => {
    const reasons = ERROR_ROWS.map(({ reason }) => reason);
    expect(new Set(reasons).size).toBe(reasons.length);
  });

  it("gives a later retry to statuses that allow one only", () => {
    for (const { reason, code, retry } of ERROR_ROWS) {
      if (retry === "later" || retry === "elsewhere") {
        expect([reason, STATUS_OF_CODE[code]]).toEqual([
          reason,
          expect.stringMatching(/RESOURCE_EXHAUSTED|UNAVAILABLE/),
        ]);
      }
    }
  });

  it("lists every reason that the rooms of a call can raise", () => {
    // Of start-up, of jobs (which tell it in their logs), and of stores that no server opens.
    const neverOnTheWire = new Set([
      "ADDRESS_UNAVAILABLE",
      "TLS_UNUSABLE",
      "AUTH_UNUSABLE",
      "TRACING_UNAVAILABLE",
      "TOKEN_NOT_FOUND",
      "TOKEN_EXISTS",
      "BATCH_CANCELLED",
      "TENSOR_TYPE",
      "NO_EXAMPLES",
      "DATASET_ROOT_MISSING",
      "CACHE_FORBIDDEN",
      "PRECISION_UNAVAILABLE", // the thread of a session says it as RUNTIME_REFUSED
    ]);
    const unlisted = ["server", "serving", "runtime", "deployment", "store"].flatMap((room) =>
      sources(join(root, "src", room)).flatMap((file) =>
        [...readFileSync(file, "utf8").matchAll(/\breason: "([A-Z_]+)"/g)]
          .map(([, reason]) => reason!)
          .filter((reason) => errorRow(reason) === undefined && !neverOnTheWire.has(reason))
          .map((reason) => `${file.slice(root.length)}: ${reason}`),
      ),
    );
    expect(unlisted).toEqual([]);
  });

  it("is what docs/errors.md says; run `npm run docs` when this fails", () => {
    expect(readFileSync(join(root, "docs/errors.md"), "utf8")).toBe(errorsPage());
  });
});

function sources(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.startsWith("training"))
    .map((path) => join(directory, path));
}
