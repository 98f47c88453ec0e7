// Signing in and out: a token is shown once, and a cookie that no script can read stands for it afterwards.

/** Told to the window when the server no longer knows who calls. */
export const SIGNED_OUT = "albert-signed-out";

/** Who uses the page: nobody is asked, nobody is signed in, or somebody by this name. */
export type Session =
  | { readonly state: "unasked" }
  | { readonly state: "signed-out" }
  | { readonly state: "signed-in"; readonly name: string };

export async function readSession(): Promise<Session> {
  const response = await fetch("/session");
  if (response.status === 401) return { state: "signed-out" };
  if (response.status !== 200) return { state: "unasked" };
  const { name } = (await response.json()) as { name: string };
  return { state: "signed-in", name: name.replace(/ in the console$/, "") };
}

/** @returns whether the server took the token */
export async function signIn(token: string): Promise<boolean> {
  const response = await fetch("/session", { method: "POST", headers: { authorization: `Bearer ${token}` } });
  return response.ok;
}

export async function signOut(): Promise<void> {
  await fetch("/session", { method: "DELETE" });
}
