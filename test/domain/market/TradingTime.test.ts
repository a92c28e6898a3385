import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { builtInCalendar } from "../../../src/domain/market/data/builtInCalendar.ts"
import { sessionAt, sessionsFrom } from "../../../src/domain/market/TradingCalendar.ts"
import type { TradingSession } from "../../../src/domain/market/TradingSession.ts"
import {
  afterTrading,
  cutTo,
  firstOpen,
  tradingMillisBetween,
  TradingTime
} from "../../../src/domain/market/TradingTime.ts"
import { VenueId } from "../../../src/domain/market/Venue.ts"

const small = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** Short sessions close to each other, so that generated times often fall on their edges. */
const Sessions = Schema.Array(Schema.Struct({ gap: small(0, 4), length: small(1, 6) })).check(Schema.isMaxLength(5))
const sessionsOf = (all: typeof Sessions.Type): ReadonlyArray<TradingSession> => {
  let now = 0
  return all.map(({ gap, length }) => {
    const opensMillis = now + gap
    now = opensMillis + length
    return { opensMillis, closesMillis: now }
  })
}

/** Every open millisecond from a moment on, listed one by one: the reference for the arithmetic. */
const openMillis = (sessions: ReadonlyArray<TradingSession>, from: number): ReadonlyArray<number> =>
  sessions.flatMap(({ opensMillis, closesMillis }) =>
    Array.from({ length: closesMillis - opensMillis }, (_, index) => opensMillis + index).filter((at) => at >= from)
  )

const isInside = (sessions: ReadonlyArray<TradingSession>, at: number) =>
  sessions.some(({ opensMillis, closesMillis }) => opensMillis <= at && at < closesMillis)

const Any = Schema.Struct({ sessions: Sessions, from: small(-3, 40), duration: small(0, 40) })

describe("trading time in sessions", () => {
  it.prop(
    "equals the count of open milliseconds",
    [Any],
    ([any]) => {
      const sessions = sessionsOf(any.sessions)
      const open = openMillis(sessions, any.from)
      const { from, duration } = any
      assert.strictEqual(firstOpen(sessions, from), open[0] ?? null)
      assert.strictEqual(
        tradingMillisBetween(sessions, from, from + duration),
        open.filter((at) => at < from + duration).length
      )
      // The whole time has passed only at the last close, which is not open: the last open millisecond stands for it.
      const expected = open[duration] ?? (duration === open.length ? open.at(-1) : undefined) ?? null
      assert.strictEqual(afterTrading(sessions, from, duration), expected)
    },
    { arbitrary: { runs: 5000 } }
  )

  it.prop(
    "gives moments inside sessions, later ones for longer durations, and converts them back",
    [Any],
    ([any]) => {
      const sessions = sessionsOf(any.sessions)
      const total = openMillis(sessions, any.from).length
      let before: number | null = null
      for (let duration = 0; duration <= total; duration += 1) {
        const at = afterTrading(sessions, any.from, duration)
        if (at === null) {
          assert.strictEqual(total, 0)
          continue
        }
        assert.isTrue(isInside(sessions, at))
        assert.isAtLeast(at, any.from)
        if (before !== null) assert.isAtLeast(at, duration < total ? before + 1 : before)
        const counted = tradingMillisBetween(sessions, any.from, at)
        assert.strictEqual(counted, duration < total ? duration : duration - 1)
        before = at
      }
      assert.isNull(afterTrading(sessions, any.from, total + 1))
    },
    { arbitrary: { runs: 2000 } }
  )

  it.prop(
    "cut to a duration has exactly that duration, and ends inside its last session",
    [Any],
    ([any]) => {
      const sessions = sessionsOf(any.sessions)
      const open = openMillis(sessions, any.from)
      const cut = cutTo(sessions, any.from, any.duration)
      if (any.duration > open.length) return assert.isNull(cut)
      assert.deepStrictEqual(openMillis(cut ?? [], -Infinity), open.slice(0, any.duration))
      Schema.decodeUnknownSync(TradingTime)(cut)
      if (any.duration > 0) assert.strictEqual(afterTrading(cut, any.from, any.duration), open[any.duration - 1])
    },
    { arbitrary: { runs: 2000 } }
  )

  const day: ReadonlyArray<TradingSession> = [
    { opensMillis: 100, closesMillis: 200 },
    { opensMillis: 500, closesMillis: 600 }
  ]
  for (const { from, duration, at } of [
    { from: 0, duration: 0, at: 100 },
    { from: 150, duration: 49, at: 199 },
    { from: 150, duration: 50, at: 500 },
    { from: 200, duration: 0, at: 500 },
    { from: 150, duration: 149, at: 599 },
    { from: 150, duration: 150, at: 599 },
    { from: 150, duration: 151, at: null },
    { from: 599, duration: 1, at: 599 },
    { from: 600, duration: 0, at: null }
  ]) {
    it(`${duration} ms after ${from} is ${at}`, () => assert.strictEqual(afterTrading(day, from, duration), at))
  }
})

describe("trading time without a calendar", () => {
  it("is elapsed time", () => {
    assert.strictEqual(firstOpen(null, 5), 5)
    assert.strictEqual(tradingMillisBetween(null, 5, 12), 7)
    assert.strictEqual(tradingMillisBetween(null, 12, 5), 0)
    assert.strictEqual(afterTrading(null, 5, 7), 12)
  })
})

describe("trading time in the calendar", () => {
  const from2025 = Date.parse("2024-12-31T12:00:00+05:30")
  const Moment = Schema.Struct({
    market: VenueId,
    from: small(from2025, Date.parse("2026-12-20T00:00:00+05:30")),
    /** Up to a week of trading, to the millisecond. */
    duration: small(0, 5 * 15 * 3_600_000)
  })

  it.prop(
    "reaches a moment when the market is open, and converts it back",
    [Moment],
    ([{ market, from, duration }]) => {
      const sessions = sessionsFrom(builtInCalendar, market, from, 60)
      const at = afterTrading(sessions, from, duration)
      if (at === null) {
        assert.isBelow(tradingMillisBetween(sessions, from, Infinity), duration)
        return
      }
      assert.strictEqual(sessionAt(builtInCalendar, market, at)._tag, "Open")
      assert.strictEqual(tradingMillisBetween(sessions, from, at), duration)
    },
    { arbitrary: { runs: 2000 } }
  )

  const ist = (text: string) => Date.parse(`${text}:00+05:30`)
  const minute = 60_000
  for (const { name, market, from, minutes, at } of [
    { name: "a weekend", market: "EQUITY", from: "2026-11-20T15:20", minutes: 20, at: "2026-11-23T09:25" },
    { name: "a holiday", market: "EQUITY", from: "2026-11-23T15:20", minutes: 20, at: "2026-11-25T09:25" },
    {
      name: "the new hours",
      market: "EQUITY_DERIVATIVES",
      from: "2026-07-31T15:20",
      minutes: 10 + 385 + 5,
      at: "2026-08-04T09:20"
    },
    {
      name: "the new hours",
      market: "EQUITY_WITH_DERIVATIVES",
      from: "2026-07-31T15:20",
      minutes: 10 + 360 + 5,
      at: "2026-08-04T09:20"
    },
    { name: "Muhurat", market: "EQUITY", from: "2025-10-20T15:20", minutes: 10 + 60 + 5, at: "2025-10-23T09:20" },
    { name: "the Budget's Sunday", market: "EQUITY", from: "2026-01-30T15:20", minutes: 15, at: "2026-02-01T09:20" },
    { name: "a night in summer", market: "COMMODITIES", from: "2026-10-30T23:20", minutes: 15, at: "2026-11-02T09:05" },
    { name: "a night in winter", market: "COMMODITIES", from: "2026-11-02T23:50", minutes: 10, at: "2026-11-03T09:05" },
    { name: "a closed morning", market: "COMMODITIES", from: "2026-03-02T23:50", minutes: 10, at: "2026-03-03T17:05" }
  ] as const) {
    it(`continues across ${name}: ${market}`, () => {
      const sessions = sessionsFrom(builtInCalendar, market, ist(from), 10)
      assert.strictEqual(afterTrading(sessions, ist(from), minutes * minute), ist(at))
      assert.strictEqual(tradingMillisBetween(sessions, ist(from), ist(at)), minutes * minute)
    })
  }
})
