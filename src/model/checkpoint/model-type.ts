import { AlbertError } from "../../errors.ts";

/** The `model_type` that this program opens. */
const MODEL_TYPE = "albert";

/**
 * Refuses another architecture by the name its configuration gives it, before anything is compared. A file of Google's
 * has no `model_type` and passes.
 *
 * @throws AlbertError unimplemented (MODEL_TYPE_UNKNOWN)
 */
export function checkModelType(json: Readonly<Record<string, unknown>>, file: string): void {
  const { model_type: type } = json;
  if (type === undefined || type === null || type === MODEL_TYPE) return;
  throw new AlbertError(
    "unimplemented",
    `${file} says model_type ${JSON.stringify(type)?.slice(0, 80)}; the one type that opens here is ${JSON.stringify(MODEL_TYPE)}; choose a checkpoint of an ALBERT`,
    { reason: "MODEL_TYPE_UNKNOWN" },
  );
}
