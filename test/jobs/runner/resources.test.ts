import { tmpdir } from "node:os";
import { expect, it } from "vitest";
import { requireResources } from "../../../src/jobs/runner/resources.ts";

const ADVICE = { memory: "lower something", disk: "keep fewer files" };

it("lets work begin that fits, and says of other work what it lacks and what to do", async () => {
  await requireResources(tmpdir(), { memoryBytes: 1, diskBytes: 1 }, ADVICE);
  await expect(requireResources(tmpdir(), { memoryBytes: 1, diskBytes: 1e18 }, ADVICE)).rejects.toMatchObject({
    reason: "DISK_FULL",
    message: expect.stringMatching(
      /^the job needs about 1000000000000 MB of disk and \d+ MB are free: keep fewer files$/,
    ),
  });
  await expect(requireResources(tmpdir(), { memoryBytes: 1e18, diskBytes: 1 }, ADVICE)).rejects.toMatchObject({
    reason: "OUT_OF_MEMORY",
    message: expect.stringMatching(/of memory and \d+ MB are free: lower something$/),
  });
});
