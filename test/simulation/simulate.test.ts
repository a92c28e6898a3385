import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { readFileSync } from "node:fs"
import { mutations } from "../../simulation/mutations.ts"
import { regressionSeeds } from "../../simulation/regressionSeeds.ts"
import { simulate } from "../../simulation/simulate.ts"
import { memoryDatabase } from "../../simulation/store/memoryDatabase.ts"
import { tryMutation } from "../../simulation/tryMutations.ts"

const newSeeds = 200

const problemsOf = (seed: number) =>
  Effect.map(
    Effect.promise(() => simulate(seed, memoryDatabase(), { trace: null, isHoleOpen: false })),
    ({ problems }) => problems.map((problem) => `npm run simulate -- --seed ${seed} --trace: ${problem}`)
  )

const traceOf = (seed: number) =>
  Effect.promise(async () => {
    const lines: Array<string> = []
    await simulate(seed, memoryDatabase(), { trace: (line) => lines.push(line), isHoleOpen: false })
    return lines
  })

describe("simulation", () => {
  it.live(`finds no violation in ${newSeeds} new seeds`, () =>
    Effect.gen(function* () {
      const first = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      for (let seed = first; seed < first + newSeeds; seed++) assert.deepStrictEqual(yield* problemsOf(seed), [])
    })
  )

  it.live("finds no violation in the regression seeds", () =>
    Effect.forEach(regressionSeeds, ({ seed, bug }) =>
      Effect.map(problemsOf(seed), (problems) => assert.deepStrictEqual(problems, [], bug))
    )
  )

  it.live("replays a seed with the identical trace", () =>
    Effect.gen(function* () {
      const trace = yield* traceOf(4711)
      assert.isAbove(trace.length, 100)
      assert.deepStrictEqual(yield* traceOf(4711), trace)
    })
  )
})

/** One mutation of each kind; `npm run simulate -- --mutations all` tries all of them. */
const sample = ["conditional transition", "quarantine: not in the order list", "lease margin", "tag"]

describe("the simulation of a mutated service", () => {
  it("has only mutations whose text still fits the code, at exactly one place", () => {
    for (const { name, edits } of mutations) {
      for (const { file, text } of edits) {
        const code = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8")
        assert.strictEqual(code.split(text).length - 1, 1, `${name}, in ${file}`)
      }
    }
  })

  for (const mutation of mutations.filter(({ name }) => sample.some((start) => name.startsWith(start)))) {
    it.live(`reports a violation without the guard: ${mutation.name}`, () =>
      Effect.map(tryMutation(mutation, { seeds: 200, store: "memory" }), ({ caughtBy }) => assert.isNotNull(caughtBy))
    )
  }
})
