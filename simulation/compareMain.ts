import { Effect, Logger } from "effect"
import { memoryDatabase } from "./store/memoryDatabase.ts"
import { postgresDatabase } from "./store/postgresDatabase.ts"
import { temporaryDb } from "./postgresServer.ts"
import { simulate } from "./simulate.ts"
const [from = 1, to = 1] = (process.argv[2] ?? "1..5").split("..").map(Number)
const main = Effect.gen(function* () {
  for (let seed = from; seed <= to; seed++) {
    const a: string[] = [], b: string[] = []
    const m = yield* Effect.promise(() => simulate(seed, memoryDatabase(), { trace: (l) => a.push(l), beyondQuarantine: false }))
    const db = yield* postgresDatabase
    const t = performance.now()
    const p = yield* Effect.promise(() => simulate(seed, db, { trace: (l) => b.push(l), beyondQuarantine: false }))
    const i = a.findIndex((line, i) => line !== b[i])
    console.log(seed, a.length, b.length, i, Math.round(performance.now() - t), m.problems, p.problems)
    if (i >= 0) { console.log(a.slice(i - 3, i + 3).join("\n")); console.log("---"); console.log(b.slice(i - 3, i + 3).join("\n")) }
  }
}).pipe(Effect.provide(temporaryDb), Effect.provide(Logger.layer([])))
await Effect.runPromise(main)
