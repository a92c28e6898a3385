import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Context, Effect, Layer, Logger } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { cases } from "../../interleavings/cases/cases.ts"
import { mixedCase } from "../../interleavings/cases/mixed.ts"
import type { Case } from "../../interleavings/harness/Case.ts"
import { exploreCase, type Extent } from "../../interleavings/harness/exploreCase.ts"
import { openSession, type Session } from "../../interleavings/harness/Session.ts"
import { mutations } from "../../interleavings/mutations.ts"
import { tryMutation } from "../../interleavings/tryMutations.ts"
import { freshDatabase, targetOf } from "../support/database.ts"

/** New seeds of each case that is not run in all orders, and new worlds of the mixed case. */
const newSeeds = 2
const newWorlds = 25

const root = new URL("../../", import.meta.url).pathname

class OpenSession extends Context.Service<OpenSession, Session>()("test/OpenSession") {
  static readonly layer = Layer.effect(
    OpenSession,
    Effect.flatMap(freshDatabase(), (name) => openSession(targetOf(name)))
  )
}

const assertHolds = (one: Case, extent: Extent) =>
  Effect.gen(function* () {
    const { finding } = yield* exploreCase(yield* OpenSession, one, extent)
    if (finding === null) return
    const { case: name, seed, problems, trace } = finding
    const command = `npm run interleave -- --case '${name}' ${seed === null ? "--all" : `--seed ${seed}`}`
    assert.fail([command, ...problems, "in this order:", ...trace].join("\n  "))
  })

/** Seeds that no earlier test run had. */
const seedsFromNow = (count: number) =>
  Effect.map(Clock.currentTimeMillis, (millis) =>
    Array.from({ length: count }, (_, index) => Math.floor(millis / 1000) + index)
  )

const tracesOf = Effect.fnUntraced(function* (one: Case, extent: Extent) {
  const traces: Array<string> = []
  yield* exploreCase(yield* OpenSession, one, extent, (trace) => traces.push(trace.join("\n")))
  return traces
})

layer(Layer.mergeAll(OpenSession.layer, Logger.layer([])), { excludeTestServices: true })(
  "transactions against each other",
  (it) => {
    it.effect("keep every promise in the cases, in all orders or with their seeds and new ones", () =>
      Effect.gen(function* () {
        const more = yield* seedsFromNow(newSeeds)
        for (const one of cases) {
          yield* assertHolds(one, one.seeds === undefined ? "all" : { seeds: [...one.seeds, ...more] })
        }
      })
    )

    it.effect(`keep every promise in ${newWorlds} new worlds, whatever meets in them`, () =>
      Effect.gen(function* () {
        for (const seed of yield* seedsFromNow(newWorlds)) yield* assertHolds(mixedCase(seed), { seeds: [seed] })
      })
    )

    it.effect("are decided by the seed alone", () =>
      Effect.gen(function* () {
        for (const seed of [1, 2, 3]) {
          const one = mixedCase(seed)
          assert.deepStrictEqual(yield* tracesOf(one, { seeds: [seed] }), yield* tracesOf(one, { seeds: [seed] }))
        }
      })
    )

    it.effect("meet in every order of the steps, in each once", () =>
      Effect.gen(function* () {
        const [claims] = cases
        const traces = claims === undefined ? [] : yield* tracesOf(claims, "all")
        assert.strictEqual(traces.length, 6, "two actors with two steps each")
        assert.strictEqual(new Set(traces).size, 6)
      })
    )
  }
)

describe("the locks of the stores", () => {
  it("have a mutation each", () => {
    const stores = readdirSync(join(root, "src/stores"), { recursive: true, encoding: "utf8" })
    for (const file of stores.filter((name) => name.endsWith(".ts")).map((name) => `src/stores/${name}`)) {
      const code = readFileSync(join(root, file), "utf8")
      const withoutComments = code.replaceAll(/^\s*(?:\/\*\*|\*|\/\/|--).*$/gm, (line) => " ".repeat(line.length))
      for (const { index } of withoutComments.matchAll(
        /FOR (?:UPDATE|SHARE)|SKIP LOCKED|pg_advisory\w*lock|LOCK TABLE/g
      )) {
        const isTakenOut = mutations.some(({ edits }) =>
          edits.some(({ text, ...edit }) => {
            const start = code.indexOf(text)
            return edit.file === file && start <= index && index < start + text.length
          })
        )
        assert.isTrue(isTakenOut, `${file}: ${code.slice(index - 60, index + 20)}`)
      }
    }
  })

  it("have only mutations whose text still fits the code, at exactly one place, and whose case exists", () => {
    for (const { name, edits, foundBy } of mutations) {
      const named = cases.filter((one) => one.name.includes(foundBy))
      assert.strictEqual(named.length, 1, `${name}: ${foundBy}`)
      for (const { file, text } of edits) {
        assert.strictEqual(readFileSync(join(root, file), "utf8").split(text).length - 1, 1, `${name}, in ${file}`)
      }
    }
  })

  // `npm run interleave -- --mutations all` tries all of them.
  for (const mutation of mutations.filter(({ name }) => name.startsWith("outcome, beside a cancel"))) {
    it.live(`are missed when they are gone: ${mutation.name}`, () =>
      Effect.map(tryMutation(mutation), ({ caughtBy }) => assert.isNotNull(caughtBy))
    )
  }
})
