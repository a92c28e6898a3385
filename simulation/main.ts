import { memoryDatabase } from "./store/memoryDatabase.ts"
import { simulate } from "./simulate.ts"
const [from, to] = (process.argv[2] ?? "1..10").split("..").map(Number)
const t = performance.now()
let n = 0
for (let seed = from ?? 1; seed <= (to ?? from ?? 1); seed++) {
  const trace = process.argv[3] === "--trace" ? (line: string) => console.log(line) : null
  const r = await simulate(seed, memoryDatabase(), { trace, beyondQuarantine: false })
  n++
  if (r.problems.length > 0) console.log(seed, r.problems)
  if (n < 5) console.log(seed, r.seconds, r.counts.placements, r.counts.statements)
}
console.log(n / ((performance.now() - t) / 1000), "seeds/s")
