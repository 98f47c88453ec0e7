// Writes sbom.cdx.json and THIRD_PARTY_LICENSES.md from the lock file and the installed packages: `npm run inventory`.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeLicences } from "./licences.mjs";
import { makeSbom } from "./sbom.mjs";
import { ROOT } from "./shipped-packages.mjs";

writeFileSync(join(ROOT, "sbom.cdx.json"), `${JSON.stringify(makeSbom(), null, 2)}\n`);
writeFileSync(join(ROOT, "THIRD_PARTY_LICENSES.md"), makeLicences());
