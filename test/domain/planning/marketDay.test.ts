import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import { announced } from "../../../src/domain/market/data/announced.ts"
import { calendarOf } from "../../../src/domain/market/TradingCalendar.ts"
import type { VenueId } from "../../../src/domain/market/Venue.ts"
import { planOrder } from "../../../src/domain/planning/planOrder.ts"
import { uShapedDay } from "../../../src/domain/planning/schedule/Curve.ts"
import { instrumentOf, marketWith, noLimits } from "../../support/generatedOrders.ts"
import { anOrder } from "../../support/orders.ts"

const calendar = calendarOf([
  announced,
  {
    days: [
      {
        day: "2026-11-07",
        markets: ["EQUITY"],
        sessions: [
          ["09:15", "10:00"],
          ["11:30", "12:30"]
        ],
        name: "Drill"
      },
      { day: "2026-11-08", markets: ["EQUITY"], sessions: [["18:15", "19:15"]], name: "Muhurat" }
    ]
  }
])

/** The sizes of a VWAP order of 1000 without randomization. */
const sizes = (
  venue: VenueId,
  from: string,
  minutes: number,
  volumeProfile: ReadonlyArray<number> | null,
  numSplits = 4
): ReadonlyArray<number> => {
  const order = anOrder({
    instrument: instrumentOf(venue),
    productType: venue === "EQUITY" ? "CNC" : "NRML",
    totalQuantity: 1000,
    numSplits,
    durationMinutes: minutes,
    strategy: "VWAP",
    sessionPolicy: "NEXT_SESSION",
    randomize: false
  })
  const market = { ...marketWith(venue, 1, null), volumeProfile }
  const plan = planOrder(order, { ...noLimits, calendar }, market, DateTime.makeUnsafe(`${from}:00+05:30`))
  return Result.getOrThrow(plan).slices.map(({ quantity }) => quantity)
}

/** A quiet day and a busy evening, from 17:00 on, at MCX in the US summer: hours of half an hour each. */
const eveningProfile = [...Array.from({ length: 16 }, () => 1), ...Array.from({ length: 13 }, () => 499)]

describe("VWAP by the hours of each session", () => {
  it("takes the evening's volume in an evening-only session, not the whole day's in little", () => {
    assert.deepStrictEqual(sizes("COMMODITIES", "2026-10-20T17:00", 390, eveningProfile), [250, 250, 250, 250])
    assert.deepStrictEqual(sizes("COMMODITIES", "2026-10-20T09:00", 390, eveningProfile), [250, 250, 250, 250])
    // An ordinary day: 16 half hours of 1 and 13 of 499.
    assert.deepStrictEqual(sizes("COMMODITIES", "2026-10-19T09:00", 870, eveningProfile, 29).slice(15, 18), [1, 75, 76])
  })

  it("takes the morning's volume in a session that ends early", () => {
    assert.deepStrictEqual(sizes("COMMODITIES", "2026-01-01T09:00", 480, eveningProfile), [250, 250, 250, 250])
  })

  it("takes each session's own part where a window passes several", () => {
    // The last hour of Monday's evening, and the first of Tuesday's, which has no morning.
    assert.deepStrictEqual(sizes("COMMODITIES", "2026-10-19T22:30", 120, eveningProfile), [250, 250, 250, 250])
    // The last hour of a whole day, and the first of the next one.
    const lastTwice = [...Array.from({ length: 14 }, () => 1), 2]
    assert.deepStrictEqual(sizes("EQUITY", "2026-11-04T15:05", 50, lastTwice, 2), [666, 334])
    const special = [4, 4, ...Array.from({ length: 13 }, () => 1)]
    // 09:15 to 10:00 of a Saturday, then 11:30 to 12:30: the ordinary day has 25 minutes a part.
    assert.deepStrictEqual(sizes("EQUITY", "2026-11-07T09:15", 105, special, 7), [250, 250, 250, 62, 63, 62, 63])
  })

  it("runs through the whole profile in a session outside the ordinary hours", () => {
    assert.deepStrictEqual(sizes("EQUITY", "2026-11-08T18:15", 60, [1, 2, 3, 4]), [100, 200, 300, 400])
    const [first = 0, second = 0, third = 0, fourth = 0] = sizes("EQUITY", "2026-11-08T18:15", 60, null)
    assert.strictEqual(uShapedDay.length, 75)
    assert.approximately(first, fourth, 1)
    assert.approximately(second, third, 1)
    assert.isAbove(first, 300)
  })
})
