import type { ModelDescription } from "../../model/directory/model-directory.ts";
import type { PreparedModel } from "../../runtime/session/prepared-model.ts";

/**
 * A model as the server holds it: all there is to know of it, and files of its graph and weights from which any number of
 * engines can be opened, one after the other or side by side.
 */
export interface ServableModel extends ModelDescription, PreparedModel {
  /** Deletes the files, when the last engine has been closed. */
  remove(): Promise<void>;
}
