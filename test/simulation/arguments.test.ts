import { assert, describe, it } from "@effect/vitest"
import { readArguments } from "../../simulation/arguments.ts"

describe("the arguments of the simulation", () => {
  it("default to the first thousand seeds in memory", () => {
    assert.deepStrictEqual(readArguments([]), {
      seeds: { first: 1, last: 1000 },
      isTraced: false,
      store: "memory",
      stopsAtFirst: false,
      isHoleOpen: false,
      failsOver: false,
      mutations: null,
      seedsPerMutation: 1000
    })
  })

  it("select one seed or a range", () => {
    assert.deepStrictEqual(readArguments(["--seed", "4711", "--trace"]).seeds, { first: 4711, last: 4711 })
    assert.deepStrictEqual(readArguments(["--seeds", "1..50", "--store", "postgres"]).seeds, { first: 1, last: 50 })
  })

  it("select mutations and regression seeds by current names and by those of 0.1.0", () => {
    for (const name of ["--mutations", "--canaries"]) {
      assert.strictEqual(readArguments([name, "quarantine"]).mutations, "quarantine")
    }
    for (const name of ["--seeds-per-mutation", "--seeds-per-canary"]) {
      assert.strictEqual(readArguments([name, "50"]).seedsPerMutation, 50)
    }
    for (const name of ["--regression-seeds", "--once-failing"]) assert.isNull(readArguments([name]).seeds)
  })

  it("refuse seeds that are none, because a run of no seed finds nothing", () => {
    for (const seeds of ["1-300", "", "5..1", "1..2..3", "one", "1..", "1e3"]) {
      assert.throws(() => readArguments(["--seeds", seeds]), /no whole number|no range/, seeds)
    }
    assert.throws(() => readArguments(["--mutations", "all", "--seeds-per-mutation", "few"]), /no whole number/)
  })

  it("refuse an unknown option", () => assert.throws(() => readArguments(["--mutants", "all"])))
})
