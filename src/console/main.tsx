import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { HealthView } from "./views/health.tsx";
import { JobsView } from "./views/jobs.tsx";
import { ModelsView } from "./views/models.tsx";
import { TryItView } from "./views/try-it.tsx";

const VIEWS = [
  { path: "try", title: "Try it", view: TryItView },
  { path: "models", title: "Models", view: ModelsView },
  { path: "jobs", title: "Jobs", view: JobsView },
  { path: "health", title: "Health", view: HealthView },
] as const;

function currentPath(): string {
  return window.location.hash.replace(/^#\/?/, "");
}

function Console() {
  const [path, setPath] = useState(currentPath());
  useEffect(() => {
    const follow = () => setPath(currentPath());
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, []);
  const active = VIEWS.find((entry) => entry.path === path) ?? VIEWS[0];
  useEffect(() => {
    document.title = `${active.title} · albert-serve`;
  }, [active]);
  const View = active.view;
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to content
      </button>
      <header>
        <span class="brand">albert-serve</span>
        <nav aria-label="Views">
          {VIEWS.map((entry) => (
            <a key={entry.path} href={`#/${entry.path}`} aria-current={entry === active ? "page" : undefined}>
              {entry.title}
            </a>
          ))}
        </nav>
      </header>
      <main id="main" tabIndex={-1}>
        <h1>{active.title}</h1>
        <View />
      </main>
    </>
  );
}

render(<Console />, document.getElementById("root")!);
