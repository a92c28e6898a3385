import { Effect, Layer, Logger } from "effect"
import { readArguments } from "./arguments.ts"
import { failsOver } from "./failOver.ts"
import { temporaryDb } from "./postgresServer.ts"
import { regressionSeeds } from "./regressionSeeds.ts"
import { simulate } from "./simulate.ts"
import type { Database } from "./store/Database.ts"
import { memoryDatabase } from "./store/memoryDatabase.ts"
import { postgresDatabase } from "./store/postgresDatabase.ts"
import { Tally } from "./Tally.ts"
import { tryMutations } from "./tryMutations.ts"

/*
 * Deterministic simulation of the service. Several daemons with the real workers run against a simulated exchange, stores in
 * memory (or PostgreSQL), simulated clocks and injected faults; one run for each seed, minutes of its time in milliseconds.
 * The judge checks the promise (never twice, none lost, none early) at every step. Invariant: the seed alone decides a run, so a
 * failure is replayed by its number. Exit code 0 when the promise was kept in every run. doc/guides/simulation.md explains more.
 *   npm run simulate -- --seeds 1..100000
 *   npm run simulate -- --seed 4711 --trace
 *   npm run simulate -- --seeds 1..20000 --fail-over
 *   npm run simulate -- --regression-seeds
 *   npm run simulate -- --seeds 1..50 --store postgres
 *   npm run simulate -- --mutations all
 */
const given = readArguments(process.argv.slice(2))

function* seedsOf(): Iterable<number> {
  if (given.seeds === null) return yield* regressionSeeds.map(({ seed }) => seed)
  for (let seed = given.seeds.first; seed <= given.seeds.last; seed++) {
    if (!given.failsOver || failsOver(seed)) yield seed
  }
}

const options = {
  trace: given.isTraced ? (line: string) => console.log(line) : null,
  isHoleOpen: given.isHoleOpen
}

const runSeeds = Effect.fnUntraced(function* <E>(nextDatabase: Effect.Effect<Database, E>) {
  const tally = new Tally()
  const began = performance.now()
  for (const seed of seedsOf()) {
    const database = yield* nextDatabase
    const result = yield* Effect.promise(() => simulate(seed, database, options))
    tally.add(result)
    if (result.problems.length === 0) continue
    console.log(`seed ${seed} FAILS:\n  ${result.problems.join("\n  ")}`)
    if (given.stopsAtFirst) break
  }
  for (const line of tally.report((performance.now() - began) / 1000)) console.log(line)
  return tally.failed.length === 0
})

const runOnPostgres = Effect.gen(function* () {
  const context = yield* Layer.build(temporaryDb)
  return yield* runSeeds(Effect.provide(postgresDatabase, context))
}).pipe(Effect.scoped)

const runMutations = Effect.fnUntraced(function* (only: string) {
  let missed = 0
  yield* tryMutations(only, { seeds: given.seedsPerMutation, store: given.store }, ({ mutation, caughtBy }) => {
    if (caughtBy === null) missed++
    console.log(caughtBy === null ? `NOT CAUGHT: ${mutation.name}` : `caught: ${mutation.name}\n  ${caughtBy}`)
  })
  console.log(missed === 0 ? "Every guard is missed when it is gone" : `${missed} guards are not missed`)
  return missed === 0
})

// Errors are ordinary answers here, millions of them, and their stack traces are never read.
if (!given.isTraced) Error.stackTraceLimit = 0

const main = Effect.suspend((): Effect.Effect<boolean, Error> => {
  if (given.mutations !== null) return runMutations(given.mutations)
  return given.store === "postgres" ? runOnPostgres : runSeeds(Effect.sync(memoryDatabase))
})
const isGood = await Effect.runPromise(main.pipe(Effect.provide(Logger.layer([]))))
process.exitCode = isGood ? 0 : 1
