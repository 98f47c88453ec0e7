import { addressParameters } from "../parts/words/address.ts";
import { CompareView } from "./versions/compare.tsx";
import { VersionDetail } from "./versions/version-detail.tsx";
import { VersionList } from "./versions/version-list.tsx";

/** Every version (`#/versions`), one of them (`?of=name@7`), or two of them side by side (`?compare=name@6&with=name@7`). */
export function VersionsView() {
  const parameters = addressParameters();
  const of = parameters.get("of");
  if (of !== null) return <VersionDetail name={of} />;
  if (parameters.has("compare")) return <CompareView parameters={parameters} />;
  return <VersionList />;
}
