// Writes the documentation pages that are derived from tables in the source and from the contract: `npm run docs`.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { configurationPage } from "../src/config/explain.ts";
import { errorsPage } from "../src/server/errors/errors-page.ts";
import { accessPage } from "./access-page.ts";
import { apiPage } from "./api-page.ts";
import { hyperparametersPage } from "./hyperparameters-page.ts";

writeFileSync(join(import.meta.dirname, "../docs/configuration.md"), configurationPage());
writeFileSync(join(import.meta.dirname, "../docs/errors.md"), errorsPage());
writeFileSync(join(import.meta.dirname, "../docs/api.md"), apiPage());
writeFileSync(join(import.meta.dirname, "../docs/hyperparameters.md"), hyperparametersPage());
writeFileSync(join(import.meta.dirname, "../docs/access.md"), accessPage());
