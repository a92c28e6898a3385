import { parseArgs } from "node:util"
import { crashPoints } from "./crashPoints.ts"
import type { Counts } from "./Run.ts"
import { simulate } from "./simulate.ts"
import { memoryDatabase } from "./store/memoryDatabase.ts"

/*
 * Runs the real workers against a simulated broker, database, clock and fate, one run for each seed:
 *   npm run simulate -- --seeds 1..100000
 *   npm run simulate -- --seed 4711 --trace
 */
const { values: given } = parseArgs({
  options: {
    seeds: { type: "string", default: "1..1000" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    "beyond-quarantine": { type: "boolean", default: false },
    "stop-at-first": { type: "boolean", default: false }
  }
})

// Errors are answers here, by the million.
if (!given.trace) Error.stackTraceLimit = 0

const [first = 1, last = first] = (given.seed ?? given.seeds).split("..").map(Number)
const options = {
  trace: given.trace ? (line: string) => console.log(line) : null,
  beyondQuarantine: given["beyond-quarantine"]
}

const totals = { placements: 0, statements: 0, seconds: 0 }
const faults = new Map<string, number>()
const crashes = new Map<string, number>()
const failed: Array<number> = []

const add = (to: Map<string, number>, counts: ReadonlyMap<string, number>): void => {
  for (const [name, count] of counts) to.set(name, (to.get(name) ?? 0) + count)
}

const addCounts = (counts: Counts, seconds: number): void => {
  totals.placements += counts.placements
  totals.statements += counts.statements
  totals.seconds += seconds
  add(faults, counts.faults)
  add(crashes, counts.crashes)
}

const began = performance.now()
let seeds = 0
for (let seed = first; seed <= last; seed++) {
  const { problems, counts, seconds } = await simulate(seed, memoryDatabase(), options)
  seeds++
  addCounts(counts, seconds)
  if (problems.length > 0) {
    failed.push(seed)
    console.log(`seed ${seed} FAILS:\n  ${problems.join("\n  ")}`)
    if (given["stop-at-first"]) break
  }
}

const elapsedSeconds = (performance.now() - began) / 1000
const missed = crashPoints.filter((point) => !crashes.has(point))
const lines = [...faults].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([kind, count]) => `  ${kind}: ${count}`)
console.log(`Faults injected:\n${lines.join("\n")}`)
console.log(`Crash points hit: ${crashPoints.length - missed.length} of ${crashPoints.length}`)
if (missed.length > 0 && seeds >= 1000) console.log(`  not hit: ${missed.join(", ")}`)
console.log(
  `${seeds} seeds in ${elapsedSeconds.toFixed(1)} s, ${(seeds / elapsedSeconds).toFixed(1)} a second: ` +
    `${totals.placements} broker orders, ${totals.statements} statements, ${(totals.seconds / 3600).toFixed(1)} simulated hours`
)
console.log(failed.length === 0 ? "Every run kept the promise" : `${failed.length} seeds failed: ${failed.join(", ")}`)
process.exitCode = failed.length === 0 ? 0 : 1
