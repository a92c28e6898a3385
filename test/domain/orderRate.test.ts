import { assert, describe, it } from "@effect/vitest"
import { dayIsFull, type OrderRate, requestsByDay, tooFastForRate } from "../../src/domain/orderRate.ts"

const rate: OrderRate = { perSecond: 10, perMinute: 400, perDay: 5000, marginMillis: 250 }

const evenly = (count: number, windowMillis: number) =>
  Array.from({ length: count }, (_, k) => (count === 1 ? 0 : (windowMillis * k) / (count - 1)))

describe("tooFastForRate", () => {
  it("lets a burst pass that the broker works off within the allowed lateness", () => {
    assert.isNull(tooFastForRate(evenly(300, 0), rate, null))
    assert.isNull(tooFastForRate(evenly(11, 0), rate, 2))
  })

  it("refuses what would be later, and says what would fit", () => {
    assert.include(tooFastForRate(evenly(11, 0), rate, 1), "at most 10 slices")
    const refusal = tooFastForRate(evenly(1000, 0), rate, null) ?? ""
    assert.match(
      refusal,
      /^duration_minutes: the broker takes 10 orders a second and 400 a minute: .* more than 60 s late/
    )
    const [slices, minutes] = [...refusal.matchAll(/(\d+) (?:slices,|minutes)/g)].map((match) => Number(match[1]))
    assert.isNull(tooFastForRate(evenly(slices ?? 0, 0), rate, null), "the number of slices that it names fits")
    assert.isNull(tooFastForRate(evenly(1000, (minutes ?? 0) * 60_000), rate, null), "the time that it names fits")
  })

  it("knows the minute's window beside the second's", () => {
    assert.isNull(tooFastForRate(evenly(400, 60_000), rate, 1))
    assert.isNotNull(tooFastForRate(evenly(500, 60_000), rate, 1))
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
