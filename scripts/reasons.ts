import { readFileSync, writeFileSync } from "node:fs"
import { reasonsPage } from "./lib/reasonsPage.ts"

/** Writes the table of reason codes into doc/guides/reasons.md: `npm run docs:reasons`. */
const page = new URL("../doc/guides/reasons.md", import.meta.url)
writeFileSync(page, reasonsPage(readFileSync(page, "utf8")))
