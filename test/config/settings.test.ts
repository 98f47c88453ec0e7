import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { configurationPage, settingOptions } from "../../src/config/explain.ts";
import { NAMED_SETTINGS } from "../../src/config/settings.ts";

const root = join(import.meta.dirname, "../..");

describe("the table of settings", () => {
  it("has a default that its own schema accepts in every row", () => {
    for (const { key, setting } of NAMED_SETTINGS) {
      expect(setting.schema.safeParse(setting.default).success, key).toBe(true);
    }
  });

  it("gives every row its own flag, key and variable", () => {
    for (const name of ["key", "environment", "flag"] as const) {
      expect(new Set(NAMED_SETTINGS.map((named) => named[name])).size).toBe(NAMED_SETTINGS.length);
    }
    expect(NAMED_SETTINGS.map(({ flag }) => flag)).not.toContain("config");
  });

  it("says its unit in the key where it has one", () => {
    for (const { key, setting } of NAMED_SETTINGS) {
      if (setting.unit === "ms" || setting.unit === "bytes")
        expect(key).toMatch(new RegExp(`[._]${setting.unit}(_per_second)?$`));
    }
  });

  it("explains each row in one sentence", () => {
    for (const { key, setting } of NAMED_SETTINGS) expect(setting.doc, key).toMatch(/^[A-Z].*\.$/);
  });

  it("has no row that nothing reads", () => {
    const rooms = ["app.ts", "serving", "server", "training", "cli", "config/contradictions.ts"];
    const code = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && rooms.some((room) => path.startsWith(room)))
      .map((path) => readFileSync(join(root, "src", path), "utf8"))
      .join("\n");
    const unread = NAMED_SETTINGS.filter(({ name }) => !new RegExp(`(?:\\.|[{,]\\s*)${name}\\b`).test(code));
    expect(unread.map(({ key }) => key)).toEqual([]);
  });

  it("offers each row as an option", () => {
    expect(settingOptions().map(({ flags }) => flags)).toContain("--serving-max-queue-ms <ms>");
  });
});

describe("docs/configuration.md", () => {
  it("is what the table says; run `npm run docs` when this fails", () => {
    expect(readFileSync(join(root, "docs/configuration.md"), "utf8")).toBe(configurationPage());
  });
});
