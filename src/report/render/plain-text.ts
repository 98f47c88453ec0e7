/**
 * A text of the data on one line, without characters that would do something to a terminal or a page instead of being seen:
 * control characters, and those that turn the direction of writing round.
 */
export function plainText(text: string): string {
  return text
    .replace(/[\s\p{Cc}]+/gu, " ")
    .replace(/[\u202a-\u202e\u2066-\u2069]/g, "")
    .trim();
}
