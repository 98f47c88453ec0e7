import type { Head } from "../../heads.ts";

/** The variable-name prefix of a head: the official one, or below the head's own scope when it has one. */
export function headScope(head: Head, name: string): string {
  return head.scope === undefined ? name : `heads/${head.scope}/${name}`;
}
