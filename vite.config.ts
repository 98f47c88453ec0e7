import { defineConfig } from "vite";

/** Builds the console, a static page that the service hands out over HTTP. Everything it needs is inside. */
export default defineConfig({
  root: "src/console",
  base: "./",
  build: { outDir: "../../dist/console", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 400 },
});
