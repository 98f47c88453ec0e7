import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/**
 * The test files of a repository that reach a source file, nearest first: fewest imports between (types do not count, and a thread's entry
 * does), less one for each part of its path, the name of the file included, in which a test mirrors it.
 */
export function testsByDistance(root: string): (file: string) => string[] {
  const importers = new Map<string, string[]>();
  for (const folder of ["src", "test"]) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      const file = join(folder, name);
      if (!file.endsWith(".ts")) continue;
      for (const target of importsOf(root, file)) importers.set(target, [...(importers.get(target) ?? []), file]);
    }
  }
  return (file) => {
    const distances = new Map([[file, 0]]);
    for (const [at, distance] of distances) {
      for (const importer of importers.get(at) ?? []) {
        if (!distances.has(importer)) distances.set(importer, distance + 1);
      }
    }
    const mirror = file.replace(/^src/, "test").replace(/\.ts$/, ".test.ts").split("/");
    const far = (test: string, distance: number) => distance - sharedParts(mirror, test.split("/"));
    return [...distances]
      .filter(([test]) => test.endsWith(".test.ts"))
      .map(([test, distance]) => ({ test, distance: far(test, distance) }))
      .sort((a, b) => a.distance - b.distance)
      .map(({ test }) => test);
  };
}

const TYPES_ONLY = /(?:import|export) type [^;]*;/g;

function importsOf(root: string, file: string): string[] {
  const text = readFileSync(join(root, file), "utf8").replace(TYPES_ONLY, "");
  const paths = [...text.matchAll(/["'](\.{1,2}\/[^"'\s]+)["']/g)].map(([, path]) =>
    normalize(join(dirname(file), path!)),
  );
  const files = paths.flatMap((path) => [path, `${path}.ts`].filter((name) => name.endsWith(".ts")));
  return [...new Set(files.filter((name) => existsSync(join(root, name))))];
}

function sharedParts(a: readonly string[], b: readonly string[]): number {
  const different = a.findIndex((part, index) => part !== b[index]);
  return different < 0 ? a.length : different;
}
