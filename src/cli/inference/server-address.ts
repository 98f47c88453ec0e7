import { type AlbertError, invalidInput } from "../../errors.ts";

// The address of a server as a person gives it.

/** @throws AlbertError invalid-input for anything but host:port */
export function serverAddress(text: string, flag: string, usualPort: number): string {
  const [, port] = /^(?:\[[^\]]+\]|[^:\s/]+):(\d{1,5})$/.exec(text) ?? [];
  if (port !== undefined && Number(port) > 0 && Number(port) < 65536) return text;
  throw wrongAddress(text, flag, usualPort);
}

function wrongAddress(text: string, flag: string, usualPort: number): AlbertError {
  const bare = text.replace(/^[a-z]+:\/\//i, "").replace(/[/:].*$/, "") || "localhost";
  const description = `expected host:port, got ${JSON.stringify(text)}: such as ${bare}:${usualPort}`;
  return invalidInput([{ field: flag, description }]);
}
