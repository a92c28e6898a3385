import { readFileSync } from "node:fs"
import { projectFolder } from "./projectFolder.ts"

const manifest: unknown = JSON.parse(readFileSync(new URL("package.json", projectFolder), "utf8"))

/** This build's version, from package.json. */
export const version =
  typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "unknown"
