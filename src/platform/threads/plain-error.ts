// An error as plain data, since errors do not cross between processes by themselves.

export interface PlainError {
  readonly name: string;
  readonly text: string;
  readonly stack: string;
}

export function plainError(thrown: unknown): PlainError {
  const { name, message, stack = "" } = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { name, text: message, stack };
}

export function errorOf({ name, text, stack }: PlainError): Error {
  return Object.assign(new Error(text), { name, stack });
}
