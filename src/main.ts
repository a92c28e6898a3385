// oxlint-disable-next-line import/no-unassigned-import -- it must be evaluated before anything else is even loaded
import "./checkNode.ts"
import { enableCompileCache } from "node:module"
import { fileURLToPath } from "node:url"

// A quarter of a start is compiling what has not changed since the last. Kept here, where nobody else may write, or not at all.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/pulse-background", import.meta.url)))
await import("./program.ts")
