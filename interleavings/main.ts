import { Effect, Layer, Logger } from "effect"
import { migratedDb, temporaryServer } from "../simulation/postgresServer.ts"
import { readArguments } from "./arguments.ts"
import { cases } from "./cases/cases.ts"
import { mixedCase, mixedName } from "./cases/mixed.ts"
import type { Case } from "./harness/Case.ts"
import { exploreCase, type Extent, type Finding } from "./harness/exploreCase.ts"
import { openSession } from "./harness/Session.ts"
import { tryMutations } from "./tryMutations.ts"

/*
 * Transactions of the service against each other, on a real PostgreSQL of its own: at every statement boundary a seed chooses
 * whose next step it is. Invariant: the seed alone decides a run. Exit code 0 when everything held in every run, or when
 * every mutation was found. doc/guides/testing.md explains more.
 *   npm run interleave                                          every case, as far as the tests run it
 *   npm run interleave -- --seeds 1..1000                       every case and the mixed one, with these seeds
 *   npm run interleave -- --case "amended while" --all          every interleaving of some cases
 *   npm run interleave -- --case "anything" --seed 7 --trace    one run, step by step
 *   npm run interleave -- --mutations all                       without each lock in turn: its case must fail
 */
const given = readArguments(process.argv.slice(2))

const extentOf = ({ seeds }: Case): Extent =>
  given.extent === "tested"
    ? seeds === undefined
      ? "all"
      : { seeds }
    : given.extent === "all"
      ? "all"
      : { seeds: given.extent }

/** Each case with what is to be run of it. The mixed case has another world for each seed. */
const chosen: ReadonlyArray<readonly [Case, Extent]> = [
  ...cases.map((one) => [one, extentOf(one)] as const),
  ...(typeof given.extent === "string" ? [] : given.extent).map((seed) => [mixedCase(seed), { seeds: [seed] }] as const)
].filter(([{ name }]) => name.includes(given.only))

const report = ({ case: name, seed, problems, trace }: Finding) => {
  console.log(`${name}${seed === null ? "" : `, seed ${seed}`} FAILS:\n  ${problems.join("\n  ")}\n  in this order:`)
  for (const step of trace) console.log(`    ${step}`)
}

const tellRun = (trace: ReadonlyArray<string>) => console.log(["a run:", ...trace].join("\n  "))

const runCases = Effect.gen(function* () {
  const target = yield* temporaryServer
  yield* Layer.build(migratedDb(target))
  const session = yield* openSession(target)
  let [runs, failed] = [0, 0]
  for (const [one, extent] of chosen) {
    const explored = yield* exploreCase(session, one, extent, given.isTraced ? tellRun : undefined)
    runs += explored.runs
    if (explored.finding !== null) failed++
    if (explored.finding !== null) report(explored.finding)
    else if (one.name !== mixedName) console.log(`ok: ${one.name} (${explored.runs} runs)`)
  }
  console.log(failed === 0 ? `Everything held in ${runs} runs` : `${failed} cases failed`)
  return failed === 0 && runs > 0
}).pipe(Effect.scoped)

const runMutations = Effect.fnUntraced(function* (only: string) {
  let missed = 0
  yield* tryMutations(only, given.seeds, ({ mutation, caughtBy }) => {
    if (caughtBy === null) missed++
    console.log(caughtBy === null ? `NOT FOUND: ${mutation.name}` : `found: ${mutation.name}\n  ${caughtBy}`)
  })
  console.log(missed === 0 ? "Every lock is missed when it is gone" : `${missed} locks are not missed`)
  return missed === 0
})

const main = given.mutations === null ? runCases : runMutations(given.mutations)
const isGood = await Effect.runPromise(main.pipe(Effect.provide(Logger.layer([]))))
process.exitCode = isGood ? 0 : 1
