// The one door to the package that calls functions of native libraries.

/** What npm's package koffi exports: it calls functions of native libraries. */
export type Koffi = typeof import("koffi").default;

/** The optional package, which a system may lack. @throws Error as `import` does when it is absent or not made for this system */
export async function loadKoffi(): Promise<Koffi> {
  return (await import("koffi")).default;
}
