import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { apiPage } from "../../scripts/api-page.ts";

describe("the page of the API", () => {
  it("says what the contract says", () => {
    const written = readFileSync(join(import.meta.dirname, "../../docs/api.md"), "utf8");
    expect(written, "run `npm run docs`").toBe(apiPage());
  });
});
