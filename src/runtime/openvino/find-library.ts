import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

// Finds OpenVINO's C library on this machine: where its own variables point, in Python's packages, in the system's folders.

/** Names that the library has on Linux, macOS and Windows, with its version in them or not. */
const LIBRARY = /^(libopenvino_c(\.so[.\d]*|[.\d]*\.dylib)|openvino_c\.dll)$/;

/** Where packages of Python lie below its prefix. */
const PYTHON_FOLDERS = ["site-packages", "dist-packages"];

/** Where an archive of OpenVINO has its libraries below its root. */
const ARCHIVE_FOLDERS = [
  "runtime/lib/intel64",
  "runtime/lib/aarch64",
  "runtime/lib/arm64",
  "runtime/bin/intel64/Release",
];

const SYSTEM_FOLDERS = [
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/usr/lib64",
  "/usr/lib",
  "/usr/local/lib",
  "/opt/homebrew/lib",
];

/** What the search reads of its surroundings. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** Names in a directory; none where it cannot be read. */
  readonly list: (directory: string) => readonly string[];
}

/**
 * Path of OpenVINO's C library, or undefined where there is none. In order: `OPENVINO_DIR`, `INTEL_OPENVINO_DIR` and
 * `OpenVINO_DIR`, which its own set-up sets; the package `openvino` of the active or user's Python; the system's folders.
 */
export function findOpenVino(surroundings: Surroundings = thisMachine()): string | undefined {
  for (const directory of candidates(surroundings)) {
    const name = surroundings.list(directory).find((file) => LIBRARY.test(file));
    if (name !== undefined) return join(directory, name);
  }
  return undefined;
}

function* candidates({ environment, home, list }: Surroundings): Generator<string> {
  const value = (name: string) => {
    const text = environment[name];
    return text === undefined || text === "" ? [] : [text];
  };
  // CMake's variable points to <root>/runtime/cmake.
  const roots = [
    ...value("OPENVINO_DIR"),
    ...value("INTEL_OPENVINO_DIR"),
    ...value("OpenVINO_DIR").map((directory) => join(directory, "../..")),
  ];
  for (const root of roots) {
    yield root;
    yield join(root, "openvino/libs");
    for (const folder of ARCHIVE_FOLDERS) yield join(root, folder);
  }
  const prefixes = [...value("VIRTUAL_ENV"), ...value("CONDA_PREFIX"), join(home, ".local"), "/usr/local", "/usr"];
  for (const prefix of prefixes) {
    for (const library of ["lib", "Lib"]) {
      const pythons =
        library === "Lib" ? [""] : ["", ...list(join(prefix, library)).filter((name) => /^python3/.test(name))];
      for (const python of pythons) {
        for (const folder of PYTHON_FOLDERS) yield join(prefix, library, python, folder, "openvino/libs");
      }
    }
    if (environment["CONDA_PREFIX"] === prefix) yield join(prefix, "lib");
  }
  yield* SYSTEM_FOLDERS;
}

function thisMachine(): Surroundings {
  return {
    environment: process.env,
    home: homedir(),
    list: (directory) => {
      try {
        return readdirSync(directory);
      } catch {
        return [];
      }
    },
  };
}
