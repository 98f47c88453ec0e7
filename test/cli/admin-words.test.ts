import { describe, expect, it } from "vitest";
import { enumWord } from "../../src/cli/admin-call.ts";
import { VersionState, VersionStateSchema } from "../../src/gen/albert/v1/models_pb.js";
import { JobKind, JobKindSchema } from "../../src/gen/albert/v1/training_pb.js";

describe("what the command line prints of states and kinds", () => {
  it("is a word", () => {
    expect(enumWord(VersionStateSchema, VersionState.SERVING)).toBe("serving");
    expect(enumWord(JobKindSchema, JobKind.FINE_TUNE)).toBe("fine-tune");
  });

  it("is the number of a value that only a newer server knows", () => {
    expect(enumWord(JobKindSchema, 99)).toBe("99");
  });
});
