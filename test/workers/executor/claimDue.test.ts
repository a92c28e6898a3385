import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { TradingHours } from "../../../src/config/TradingHours.ts"
import type { ClaimedSlice } from "../../../src/domain/model/OrderSlice.ts"
import { Instance } from "../../../src/runtime/Instance.ts"
import { SliceStore } from "../../../src/stores/slices/SliceStore.ts"
import { admitAll } from "../../../src/workers/executor/admitClaimed.ts"
import { makeClaimDue } from "../../../src/workers/executor/claimDue.ts"
import { makeClaimedSlices } from "../../../src/workers/executor/ClaimedSlices.ts"
import { configuration } from "../../support/database.ts"
import { databaseIsDown, sliceDueAt } from "../../support/memoryStores.ts"

const claimLimit = 5

/** The claims of one executor, a poll interval apart; each answers with the page that stands first in `pages`, else with nothing. */
const makeClaims = Effect.gen(function* () {
  const looks: Array<string> = []
  const pages: Array<ReadonlyArray<ClaimedSlice> | "fails"> = []
  const store = Layer.mock(SliceStore)({
    claimDue: ({ after, from, isLatestFirst }) =>
      Effect.suspend(() => {
        const began = from ? `from ${DateTime.toEpochMillis(from) / 1000}` : "all"
        looks.push(isLatestFirst ? "recent" : after ? `${began} behind ${after.notBeforeMillis / 1000}` : began)
        const page = pages.shift() ?? []
        return page === "fails" ? Effect.fail(databaseIsDown) : Effect.succeed(page)
      })
  })
  const claimed = yield* makeClaimedSlices
  const { claim, fromStart, lookFully } = yield* makeClaimDue(claimed, admitAll).pipe(Effect.provide(store))
  return {
    pages,
    claimed,
    fromStart,
    lookFully,
    /** The looks of one claim, at this second. */
    looksAt: (second: number) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(second * 1000)
        looks.length = 0
        yield* Effect.ignore(claim)
        return [...looks]
      })
  }
})

const service = Layer.mergeAll(
  Instance.layer,
  TradingHours.layer.pipe(
    Layer.provideMerge(
      configuration({ SLICE_EXECUTOR_CLAIM_LIMIT: String(claimLimit), SLICE_EXECUTOR_POLL_INTERVAL_SECONDS: "1" })
    )
  )
)

/** A page that is full, of slices that were due in this second. */
const pageDue = (second: number) =>
  Array.from({ length: claimLimit }, (_, n) => sliceDueAt(second * 1000 + n, `s${second}n${n}`))

describe("where claims begin", () => {
  it.effect("is a minute ago once all was seen, and at the first slice each half minute", () =>
    Effect.gen(function* () {
      const { looksAt } = yield* makeClaims
      assert.deepStrictEqual(yield* looksAt(1000), ["all"])
      assert.deepStrictEqual(yield* looksAt(1001), ["from 941"])
      assert.deepStrictEqual(yield* looksAt(1029), ["from 969"])
      assert.deepStrictEqual(yield* looksAt(1030), ["all"])
      assert.deepStrictEqual(yield* looksAt(1031), ["from 971"])
    }).pipe(Effect.provide(service))
  )

  it.effect("is behind a full page of which some or all slices could not be read", () =>
    Effect.gen(function* () {
      const { looksAt, pages, claimed } = yield* makeClaims
      pages.push(Object.assign(pageDue(900).slice(1), { leftOut: 1 }))
      yield* looksAt(1000)
      claimed.queue.drain()
      assert.include(yield* looksAt(1000.1), "all behind 900.004")
      pages.push(Object.assign([], { leftOut: claimLimit }))
      yield* looksAt(1100)
      assert.deepStrictEqual(yield* looksAt(1101), ["all"])
    }).pipe(Effect.provide(service))
  )

  it.effect("is at the first slice again when the clock was set back", () =>
    Effect.gen(function* () {
      const { looksAt } = yield* makeClaims
      yield* looksAt(5000)
      assert.deepStrictEqual(yield* looksAt(1000), ["all"])
      assert.deepStrictEqual(yield* looksAt(1001), ["from 941"])
    }).pipe(Effect.provide(service))
  )

  it.effect("is at the first slice after a hold, and after a claim that failed", () =>
    Effect.gen(function* () {
      const { looksAt, lookFully, pages } = yield* makeClaims
      yield* looksAt(1000)
      yield* lookFully
      assert.deepStrictEqual(yield* looksAt(1001), ["all"])
      pages.push("fails")
      assert.deepStrictEqual(yield* looksAt(1002), ["from 942"])
      assert.deepStrictEqual(yield* looksAt(1003), ["all"])
    }).pipe(Effect.provide(service))
  )

  it.effect("is behind the last page until all that is due was seen, however often new slices come", () =>
    Effect.gen(function* () {
      const { claimed, fromStart, looksAt, pages } = yield* makeClaims
      pages.push(pageDue(500))
      // The second look is for what becomes due next.
      assert.deepStrictEqual(yield* looksAt(1000), ["all", "from 1000"])
      for (const second of [1001, 1005, 1020]) {
        claimed.queue.drain()
        yield* fromStart
        pages.push([], [], pageDue(second - 500))
        const [, , page] = yield* looksAt(second)
        assert.match(page ?? "", /^all behind \d+\.004$/)
      }
      claimed.queue.drain()
      // The last page is short: the pass is over, and the next one begins at once.
      pages.push([], [], [])
      assert.deepStrictEqual((yield* looksAt(1021)).slice(2), ["all behind 520.004", "from 961"])
    }).pipe(Effect.provide(service))
  )

  it.effect("is at the first slice again when a look from a minute ago did not see all", () =>
    Effect.gen(function* () {
      const { claimed, looksAt, pages } = yield* makeClaims
      yield* looksAt(1000)
      pages.push(pageDue(990))
      assert.deepStrictEqual((yield* looksAt(1001))[0], "from 941")
      claimed.queue.drain()
      pages.push([], [])
      assert.deepStrictEqual((yield* looksAt(1003))[2], "all")
    }).pipe(Effect.provide(service))
  )
})
