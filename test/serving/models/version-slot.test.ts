import { describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import { LoadedVersion } from "../../../src/serving/models/loaded-version.ts";
import { type LoadedKind, VersionSlot } from "../../../src/serving/models/version-slot.ts";
import { ModelQueue } from "../../../src/serving/scheduler/model-queue.ts";
import { FakeEngine, fakeModel } from "../fake-engine.ts";

function rig() {
  const engine = new FakeEngine();
  const queue = new ModelQueue({ digest: "d", engine, batchTokens: 0, probe: async () => {} }, 0);
  const version = new LoadedVersion("m", "1", fakeModel("d"), engine, queue);
  const seen: string[] = [];
  const record = { began: 0, phaseSeconds: {}, rssBeforeBytes: 0 };
  const slot = new VersionSlot("1", Promise.resolve(version), record, ({ state }) => seen.push(state.kind));
  return { slot, version, queue, seen };
}

/** A slot whose version plays a part. */
function playing(kind: LoadedKind) {
  const made = rig();
  made.slot.ready(made.version);
  if (kind === "draining") made.slot.become("serving");
  if (kind !== "standby") made.slot.become(kind);
  return made;
}

describe("the slot of a version", () => {
  it("goes from loading over warming to standby, and remembers how that went", () => {
    const { slot, version, seen } = rig();
    slot.began(100, 64);
    slot.phase("load", 0.5);
    expect([slot.state.kind, slot.loaded]).toEqual(["loading", undefined]);
    slot.phase("build", 0.25);
    slot.phase("check", 0.125);
    slot.ready(version);
    expect(seen).toEqual(["warming", "standby"]);
    expect(slot.loaded).toBe(version);
    expect(slot.loading).toBeUndefined();
    expect(slot.record).toEqual({
      began: 100,
      phaseSeconds: { load: 0.5, build: 0.25, check: 0.125 },
      rssBeforeBytes: 64,
    });
  });

  it("says why it failed, and nothing of what is a bug", () => {
    const refused = rig().slot;
    refused.fail(new AlbertError("corrupt", "bad file", { reason: "CHECKPOINT_CORRUPT" }));
    expect(refused.publicState).toEqual({ kind: "failed", reason: "CHECKPOINT_CORRUPT", message: "bad file" });
    const broken = rig().slot;
    broken.fail(new Error("secret"));
    expect(broken.publicState).toEqual({ kind: "failed", reason: "BUG", message: "an internal error; see the log" });
  });

  it("serves shadow traffic behind all other, and only that", () => {
    const { slot, queue } = playing("shadow");
    expect(queue.background).toBe(true);
    slot.become("serving");
    expect(queue.background).toBe(false);
  });

  it("gives up what it holds once", () => {
    const { slot, version } = playing("standby");
    expect(slot.release()).toBe(version);
    expect(slot.loaded).toBeUndefined();
    expect(() => slot.release()).toThrow("a version that is released cannot become released");
  });

  it.each<[LoadedKind, LoadedKind[]]>([
    ["standby", ["serving", "shadow", "canary"]],
    ["serving", ["draining"]],
    ["shadow", ["standby", "serving", "shadow", "canary"]],
    ["canary", ["standby", "serving", "shadow", "canary"]],
    ["draining", ["standby", "serving", "shadow", "canary"]],
  ])("from %s becomes %j and nothing else", (from, allowed) => {
    for (const to of ["standby", "serving", "shadow", "canary", "draining"] as const) {
      const { slot } = playing(from);
      if (allowed.includes(to)) slot.become(to);
      else expect(() => slot.become(to), to).toThrow(`a version that is ${from} cannot become ${to}`);
    }
  });

  it("plays no part before it is loaded or after it failed", () => {
    const { slot } = rig();
    expect(() => slot.become("serving")).toThrow("a version that is loading cannot become serving");
    slot.fail(new Error("no"));
    expect(() => slot.ready(playing("standby").version)).toThrow("a version that is failed cannot become ready");
  });
});
