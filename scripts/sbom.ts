import { readFileSync } from "node:fs"
import { sbomOf } from "./lib/sbom.ts"

/** Prints the software bill of materials: `npm run --silent sbom`. */
const lock = readFileSync(new URL("../package-lock.json", import.meta.url), "utf8")
process.stdout.write(`${JSON.stringify(sbomOf(lock), null, 2)}\n`)
