import { useState } from "preact/hooks";
import { Problems } from "../parts/calls/problems.tsx";
import { signIn } from "../session.ts";

/** Asks for a token, which is shown to the server once and kept nowhere in the page. */
export function SignInView({ onSignedIn }: { readonly onSignedIn: () => void }) {
  const [token, setToken] = useState("");
  const [problems, setProblems] = useState<readonly string[]>([]);
  const submit = async () => {
    try {
      const known = await signIn(token.trim());
      setToken("");
      if (known) onSignedIn();
      else setProblems(["The server does not take this token: it is wrong, has expired, or was revoked."]);
    } catch {
      setProblems(["The server does not answer. Is it still running?"]);
    }
  };
  return (
    <form
      class="card sign-in"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <label>
        Token
        <input
          type="password"
          required
          autocomplete="off"
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
      </label>
      <p class="muted">Whoever runs the server makes one: albert tokens create.</p>
      <button type="submit">Sign in</button>
      <Problems problems={problems} />
    </form>
  );
}
