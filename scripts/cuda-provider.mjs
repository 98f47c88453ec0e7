// Fetches ONNX Runtime's CUDA libraries (Linux x64, CUDA 13, cuDNN 9) into an installed copy of the project. They are too large
// for ONNX Runtime's own package; a package of the same registry carries them, and is taken only when its digest is the known one.
//
//   node scripts/cuda-provider.mjs [FOLDER]       the folder with node_modules; this checkout unless given
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { npm } from "./npm.mjs";

const PACKAGE = "com.github.asus4.onnxruntime.linux-x64-gpu";
const VERSION = "0.4.9";
const INTEGRITY = "sha512-FopIhNE/Ng+v2X65wVc9clPCBCvhvA53Hxo2U0Kf5fGdVsC7iCA+mZ0KLWggcQAj7TIZ6pNidR4AC10g74Xo6w==";
const LIBRARIES = ["libonnxruntime_providers_cuda.so", "libonnxruntime_providers_shared.so"];

/**
 * Puts the libraries next to ONNX Runtime's own.
 *
 * @throws Error when the package cannot be had, or is not the one that is known
 */
export function addCudaProvider(folder) {
  const target = join(folder, "node_modules/onnxruntime-node/bin/napi-v6/linux/x64");
  const work = mkdtempSync(join(tmpdir(), "albert-cuda-"));
  try {
    const [{ filename }] = JSON.parse(
      npm(["pack", "--json", "--pack-destination", work, `${PACKAGE}@${VERSION}`], { cwd: work, stdio: "pipe" }),
    );
    const digest = `sha512-${createHash("sha512")
      .update(readFileSync(join(work, filename)))
      .digest("base64")}`;
    if (digest !== INTEGRITY) throw new Error(`${PACKAGE}@${VERSION} has digest ${digest}, expected ${INTEGRITY}`);
    // Installing it now takes it from npm's cache, or fetches it again, and unpacks it.
    const options = ["--no-save", "--ignore-scripts", "--loglevel=error", "--prefix", work];
    npm(["install", ...options, join(work, filename)], { cwd: work });
    for (const name of LIBRARIES) {
      copyFileSync(join(work, "node_modules", PACKAGE, "Plugins/Linux/x64", name), join(target, name));
      chmodSync(join(target, name), 0o755);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] === import.meta.filename) addCudaProvider(process.argv[2] ?? join(import.meta.dirname, ".."));
