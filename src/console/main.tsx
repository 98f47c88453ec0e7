import { render } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ServerStatus } from "./parts/server-status.tsx";
import { readSession, type Session, SIGNED_OUT, signOut } from "./session.ts";
import { DataSetsView } from "./views/data.tsx";
import { FeedbackView } from "./views/feedback.tsx";
import { HealthView } from "./views/health.tsx";
import { JobsView } from "./views/jobs.tsx";
import { RunsView } from "./views/runs.tsx";
import { SearchView } from "./views/search.tsx";
import { SignInView } from "./views/sign-in.tsx";
import { TeachView } from "./views/teach.tsx";
import { TryItView } from "./views/try-it.tsx";
import { VersionsView } from "./views/versions.tsx";

// The entry point of the console: navigation, and the view for the current address.

const VIEWS = [
  { path: "try", title: "Try it", intro: "Ask the models that serve now.", view: TryItView },
  { path: "search", title: "Search", intro: "Ask a folder of texts.", view: SearchView },
  {
    path: "data",
    title: "Data",
    intro: "What is stored to teach from: look at it, mend it, split it.",
    view: DataSetsView,
  },
  { path: "teach", title: "Teach", intro: "A model from a file of your own, step by step.", view: TeachView },
  {
    path: "versions",
    title: "Versions",
    intro: "What is stored, what serves, where it is wrong, and how it got there.",
    view: VersionsView,
  },
  { path: "jobs", title: "Jobs", intro: "Every kind of job, with all of its settings.", view: JobsView },
  { path: "runs", title: "Runs", intro: "Every run, and several side by side.", view: RunsView },
  {
    path: "feedback",
    title: "Feedback",
    intro: "Judge answers, least sure first, and teach from them.",
    view: FeedbackView,
  },
  { path: "health", title: "Health", intro: "How the service is doing at this moment.", view: HealthView },
] as const;

/** A view's path, and after a question mark what it is to show. */
function currentAddress(): string {
  return window.location.hash.replace(/^#\/?/, "").replace(/^models\b/, "versions");
}

function Console() {
  const [address, setAddress] = useState(currentAddress());
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const follow = () => {
      setAddress(currentAddress());
      // A new view begins at its heading, for the eye and for the keyboard.
      window.scrollTo(0, 0);
      heading.current?.focus({ preventScroll: true });
    };
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, []);
  const [session, setSession] = useState<Session | undefined>(undefined);
  const look = useCallback(() => {
    // Without an answer the views say themselves that the server is gone.
    readSession().then(setSession, () => setSession({ state: "unasked" }));
  }, []);
  useEffect(() => {
    look();
    window.addEventListener(SIGNED_OUT, look);
    return () => window.removeEventListener(SIGNED_OUT, look);
  }, [look]);
  const active = VIEWS.find((entry) => entry.path === address.split("?", 1)[0]) ?? VIEWS[0];
  useEffect(() => {
    document.title = `${active.title} · albert-serve`;
  }, [active]);
  const View = active.view;
  const signedOut = session?.state === "signed-out";
  return (
    <>
      <button type="button" class="skip" onClick={() => heading.current?.focus()}>
        Skip to content
      </button>
      <header class="top">
        <span class="brand">
          <Mark />
          albert-serve
        </span>
        <nav aria-label="Views">
          {VIEWS.map((entry) => (
            <a key={entry.path} href={`#/${entry.path}`} aria-current={entry === active ? "page" : undefined}>
              {entry.title}
            </a>
          ))}
        </nav>
        {!signedOut && <ServerStatus />}
        {session?.state === "signed-in" && (
          <button type="button" title={session.name} onClick={() => void signOut().then(look)}>
            Sign out
          </button>
        )}
      </header>
      <main>
        <div class="lead">
          <h1 ref={heading} tabIndex={-1}>
            {signedOut ? "Sign in" : active.title}
          </h1>
          <p class="muted">{signedOut ? "This server asks who calls." : active.intro}</p>
        </div>
        {signedOut && <SignInView onSignedIn={look} />}
        {session !== undefined && !signedOut && <View key={address} />}
      </main>
    </>
  );
}

/** One block of weights, and its copies: what ALBERT is. */
function Mark() {
  return (
    <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
      <rect x="8" y="2.5" width="13" height="13" rx="3" opacity="0.3" />
      <rect x="5.5" y="5.5" width="13" height="13" rx="3" opacity="0.55" />
      <rect x="3" y="8.5" width="13" height="13" rx="3" />
    </svg>
  );
}

render(<Console />, document.getElementById("root")!);
