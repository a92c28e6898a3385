import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { areaRunners, below, sharesOf } from "../../fuzz/areaRunners.ts"
import { freshDatabase, targetOf } from "../support/database.ts"

const seed = 1
const shares = sharesOf(areaRunners, 6000)

/** Times on the wall clock say nothing while other tests run beside this one. */
const options = { isJudgedByClock: false, database: Effect.map(freshDatabase(), targetOf) }

describe("the fuzzers find nothing", () => {
  for (const { name, run } of areaRunners) {
    it.live(`in ${name}, nor in any case that ever failed`, () =>
      Effect.gen(function* () {
        const indexes = below(shares.get(name) ?? 0)
        const { violations, inputs } = yield* run({ seed, indexes, areCasesReplayed: true }, options)
        assert.isAbove(inputs, 0)
        assert.deepStrictEqual(
          violations.map(({ index, what, input }) => `${index}: ${what}: ${input}`),
          []
        )
      }).pipe(Effect.provide(Logger.layer([])))
    )
  }
})
