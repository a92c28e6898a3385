import { assert, describe, it } from "@effect/vitest"
import { dayIsFull, type OrderRate, requestsByDay, tooFastForRate } from "../../../src/domain/limits/orderRate.ts"

const rate: OrderRate = { perSecond: 10, perMinute: 400, perDay: 5000, marginMillis: 250 }

const evenly = (count: number, minutes: number) =>
  Array.from({ length: count }, (_, k) => (count === 1 ? 0 : (minutes * 60_000 * k) / (count - 1)))

const tooFast = (
  numSlices: number,
  minutes: number,
  maxLateness: number | null,
  duesOf: Parameters<typeof tooFastForRate>[1] = evenly
) => tooFastForRate({ dueMillis: evenly(numSlices, minutes), numSlices, minutes }, duesOf, rate, maxLateness)

describe("tooFastForRate", () => {
  it("accepts a burst that the broker's rate can send within the allowed lateness", () => {
    assert.isNull(tooFast(300, 0, null))
    assert.isNull(tooFast(11, 0, 2))
  })

  it("refuses what would be later, and names the maximum of slices and the minimum of minutes that fit", () => {
    const refusal = tooFast(1000, 0, null) ?? ""
    assert.match(
      refusal,
      /^duration_minutes: the broker takes 10 orders a second and 400 a minute: .* more than 60 s late/
    )
    const [slices, minutes] = [...refusal.matchAll(/(\d+) (?:slices,|minutes,)/g)].map((match) => Number(match[1]))
    assert.isNull(tooFast(slices ?? 0, 0, null))
    assert.isNotNull(tooFast((slices ?? 0) + 1, 0, null))
    assert.isNull(tooFast(1000, minutes ?? 0, null))
    assert.isNotNull(tooFast(1000, (minutes ?? 0) - 1, null))
    assert.include(tooFast(11, 0, 1), "at most 10 slices, or 1 minute, would fit")
  })

  it("suggests only what is possible, and otherwise the lateness that all slices would need", () => {
    assert.include(
      tooFast(11, 0, 1, (slices, minutes) => (minutes > 0 ? null : evenly(slices, minutes))),
      "s late; at most 10 slices would fit"
    )
    assert.include(
      tooFast(11, 0, 1, () => null),
      "max_lateness_seconds of 2 would fit"
    )
  })

  it("applies the limit per minute beside the limit per second", () => {
    assert.isNull(tooFast(400, 1, 1))
    assert.isNotNull(tooFast(500, 1, 1))
  })
})

describe("a day's budget", () => {
  it("is counted by the day in India", () => {
    // Midnight in India is 18:30 UTC.
    const midnight = Date.UTC(2026, 10, 24, 18, 30)
    assert.deepStrictEqual(
      [...requestsByDay(midnight - 60_000, [0, 59_999, 60_000, 61_000])],
      [
        ["2026-11-24", 2],
        ["2026-11-25", 2]
      ]
    )
  })

  it("has room up to its limit, and says how much is left", () => {
    assert.isNull(dayIsFull("2026-11-24", 10, 4490, rate))
    assert.include(dayIsFull("2026-11-24", 11, 4490, rate), "at most 10 slices would fit on that day")
    assert.include(dayIsFull("2026-11-24", 1, 4500, rate), "none would fit")
  })
})
