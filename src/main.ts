// oxlint-disable-next-line import/no-unassigned-import -- it must be evaluated before anything else is even loaded
import "./checkNode.ts"
// A default import: an older Node.js has no enableCompileCache, and importing that name would fail before checkNode
// runs.
import nodeModule from "node:module"
import { fileURLToPath } from "node:url"
import { setFlagsFromString } from "node:v8"

// Node.js would open its inspector at this signal, through which every secret can be read and every call be made.
process.on("SIGUSR1", () => undefined)
// The young generation stays small and the heap at most doubles between collections; otherwise a burst of orders leaves
// 200 MB behind. The flags are set first, because cached code is valid only for the flags it was compiled with.
for (const flag of ["--semi-space-growth-factor=1", "--heap-growing-percent=100"]) setFlagsFromString(flag)
// Compiling takes half of a start, so compiled code is cached, in a folder that only the owner of the installation
// can write. This file imports nothing that the program imports: the bundle would put a shared module into this
// file's chunk, and program and main would wait for each other.
nodeModule.enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/pulse-background", import.meta.url)))
await import("./program.ts")
