import { type ColumnNames, choiceKeys, type FieldName, fieldKey, fieldNames, namedChoices } from "./fields.ts";

// Which fields rows must have, and how a missing one is reported.

/** Which fields a file must have; of each inner list at least one. */
export type RequiredFields = readonly (readonly FieldName[])[];

/** What a row's keys lack, each as a person would ask for it. */
export function missingFields(
  keys: readonly string[],
  columns: ColumnNames,
  required: RequiredFields,
): readonly string[] {
  return required.flatMap((names) => {
    if (names.includes("choices")) {
      const named = namedChoices(keys, columns);
      if (named !== undefined) return named.filter((name) => !keys.includes(name));
      if (choiceKeys(keys, columns).length > 0) return [];
    }
    if (names.some((name) => fieldKey(name, keys, columns) !== undefined)) return [];
    const alternatives =
      names.includes("choices") && columns.choices === undefined ? [", choice_1, choice_2, ..."] : [];
    return [names.map((name) => fieldNames(name, columns)).join(" or ") + alternatives.join("")];
  });
}
