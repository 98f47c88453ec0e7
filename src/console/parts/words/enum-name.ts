import type { DescEnum } from "@bufbuild/protobuf";

/** A value of an enum as plain words ("fine tune"); its number, where this page is older than the server. */
export function enumName(description: DescEnum, value: number): string {
  return description.value[value]?.localName.toLowerCase().replaceAll("_", " ") ?? String(value);
}
