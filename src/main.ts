// oxlint-disable-next-line import/no-unassigned-import -- it must be evaluated before anything else is even loaded
import "./checkNode.ts"
// Not by its name: an older Node.js, which has none, would end before it could say what is wrong.
import nodeModule from "node:module"
import { fileURLToPath } from "node:url"
import { setFlagsFromString } from "node:v8"

// What is young stays small, and the heap at most doubles before it is cleaned: otherwise a burst of orders leaves 200 MB behind.
// First of all, because code is kept for the flags that it was compiled with.
for (const flag of ["--semi-space-growth-factor=1", "--heap-growing-percent=100"]) setFlagsFromString(flag)
// Half of a start is compiling what has not changed since the last. Kept here, where nobody else may write, or not at all.
// What this file shared with the program the program would wait for, and this file for the program: so it shares nothing.
nodeModule.enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/pulse-background", import.meta.url)))
await import("./program.ts")
