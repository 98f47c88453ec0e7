import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { findOpenVino } from "../../../src/runtime/openvino/find-library.ts";

/** A machine with these files, and directories on the way to them. */
function machine(files: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const list = (directory: string) => {
    const names = files.flatMap((file) => {
      if (dirname(file) === directory) return [file.slice(directory.length + 1)];
      return file.startsWith(`${directory}/`) ? [file.slice(directory.length + 1).split("/")[0]!] : [];
    });
    return [...new Set(names)];
  };
  return { environment, home: "/home/me", list };
}

const PIP = "lib/python3.12/site-packages/openvino/libs/libopenvino_c.so.2641";

describe("OpenVINO's library", () => {
  it.each([
    ["where OPENVINO_DIR points to", "/opt/ov/runtime/lib/intel64/libopenvino_c.so", { OPENVINO_DIR: "/opt/ov" }],
    ["in a package that OPENVINO_DIR names", "/p/openvino/libs/libopenvino_c.so.2641", { OPENVINO_DIR: "/p" }],
    ["by CMake's variable", "/opt/ov/runtime/lib/intel64/libopenvino_c.so", { OpenVINO_DIR: "/opt/ov/runtime/cmake" }],
    ["in a virtual environment", `/venv/${PIP}`, { VIRTUAL_ENV: "/venv" }],
    ["in the user's packages", `/home/me/.local/${PIP}`, {}],
    ["in Debian's Python", "/usr/lib/python3/dist-packages/openvino/libs/libopenvino_c.so.2541", {}],
    ["in the system's folders", "/usr/lib/x86_64-linux-gnu/libopenvino_c.so.2025.4.0", {}],
    ["in Homebrew's folder", "/opt/homebrew/lib/libopenvino_c.2640.dylib", {}],
    ["on Windows", "/venv/Lib/site-packages/openvino/libs/openvino_c.dll", { VIRTUAL_ENV: "/venv" }],
  ])("is found %s", (_, path, environment) => {
    expect(findOpenVino(machine([path], environment))).toBe(path);
  });

  it("is the first of several, and none where only other libraries are", () => {
    const both = [`/home/me/.local/${PIP}`, `/venv/${PIP}`];
    expect(findOpenVino(machine(both, { VIRTUAL_ENV: "/venv" }))).toBe(`/venv/${PIP}`);
    expect(findOpenVino(machine(["/usr/lib/libopenvino.so.2641", "/usr/lib/libopenvino_c.so.txt"]))).toBeUndefined();
  });
});
