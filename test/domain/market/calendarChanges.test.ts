import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import type { Announcements } from "../../../src/domain/market/Announcements.ts"
import { changesBetween, contradictionsOf, leftOutOf } from "../../../src/domain/market/calendarChanges.ts"
import { doubtsOf } from "../../../src/domain/market/calendarDoubts.ts"
import { type CalendarSource, readImports, specialDayOf } from "../../../src/domain/market/calendarSources.ts"
import { announced } from "../../../src/domain/market/data/announced.ts"
import { forEachVenue } from "../../../src/domain/market/Venue.ts"

const builtIn: CalendarSource = { ...announced, source: "the built-in calendar" }
const holiday = (day: string, more: Partial<Announcements["days"][number]> = {}) => ({
  day,
  markets: "all" as const,
  sessions: [],
  name: "a holiday",
  ...more
})
const from = (source: string, announcements: Announcements): CalendarSource => ({ ...announcements, source })

describe("what an import changes", () => {
  it("is shown by day with all its markets, and by end", () => {
    const next: Announcements = {
      until: { EQUITY: "2027-12-31" },
      days: [
        holiday("2026-12-24"),
        holiday("2026-12-19", { sessions: [["10:00", "12:00"]], markets: ["EQUITY"], name: "a drill" }),
        holiday("2027-01-26", { markets: ["EQUITY"] })
      ]
    }
    assert.deepStrictEqual(changesBetween([builtIn], [builtIn, next]), {
      ends: { EQUITY: { before: "2026-12-31", after: "2027-12-31" } },
      days: [
        { day: "2026-12-19", markets: ["EQUITY"], before: "closed", after: "10:00–12:00", name: "a drill" },
        { day: "2026-12-24", markets: ["EQUITY"], before: "09:15–15:30", after: "closed", name: "a holiday" },
        {
          day: "2026-12-24",
          markets: ["EQUITY_WITH_DERIVATIVES"],
          before: "09:15–15:15",
          after: "closed",
          name: "a holiday"
        },
        {
          day: "2026-12-24",
          markets: ["EQUITY_DERIVATIVES"],
          before: "09:15–15:40",
          after: "closed",
          name: "a holiday"
        },
        {
          day: "2026-12-24",
          markets: ["CURRENCY_DERIVATIVES"],
          before: "09:00–17:00",
          after: "closed",
          name: "a holiday"
        },
        { day: "2026-12-24", markets: ["COMMODITIES"], before: "09:00–23:55", after: "closed", name: "a holiday" },
        { day: "2027-01-26", markets: ["EQUITY"], before: "not known", after: "closed", name: "a holiday" }
      ]
    })
    const undone = changesBetween([builtIn, next], [builtIn])
    assert.deepStrictEqual(undone.ends, { EQUITY: { before: "2027-12-31", after: "2026-12-31" } })
    assert.deepInclude(undone.days.at(-1), { day: "2027-01-26", before: "closed", after: "not known" })
  })

  it("is nothing for what is known", () =>
    assert.deepStrictEqual(changesBetween([builtIn], [builtIn, announced]), { ends: {}, days: [] }))
})

describe("a contradiction", () => {
  it("is a known special day with other hours, or other regular hours since a day", () =>
    assert.deepStrictEqual(
      contradictionsOf([builtIn], {
        days: [holiday("2026-12-25", { sessions: [["09:15", "15:30"]], markets: ["EQUITY", "COMMODITIES"] })],
        hours: [{ market: "EQUITY_DERIVATIVES", since: "2026-08-03", hours: ["09:15", "15:30"] }]
      }),
      [
        "EQUITY, COMMODITIES 2026-12-25: closed by the built-in calendar (Christmas), 09:15–15:30 here",
        "EQUITY_DERIVATIVES since 2026-08-03: 09:15–15:40 by the built-in calendar, 09:15–15:30 here"
      ]
    ))

  it("is not a new holiday, a repeated one, or the hours that were to come", () => {
    const muhurat = { sessions: [["18:00", "19:00"]] as const, name: "Muhurat" }
    assert.deepStrictEqual(
      contradictionsOf([builtIn], {
        days: [holiday("2026-12-24"), holiday("2026-12-25"), holiday("2026-11-08", muhurat)]
      }),
      []
    )
    const known = from("import 1", { days: [holiday("2026-11-08", muhurat)] })
    const again = from("import 2", { days: [holiday("2026-11-08", { hoursToCome: true })] })
    assert.deepStrictEqual(contradictionsOf([builtIn, known], again), [])
    // Hours that are known stay known.
    assert.deepInclude(specialDayOf([builtIn, known, again], "EQUITY", "2026-11-08"), { source: "import 1" })
    assert.deepStrictEqual(changesBetween([builtIn, known], [builtIn, known, again]), { ends: {}, days: [] })
  })
})

it("the days that a list leaves out are named, for the markets that it has", () => {
  const list = { days: announced.days.filter(({ day }) => day >= "2026-01-26" && day !== "2026-12-25") }
  assert.deepStrictEqual(leftOutOf([builtIn], { days: list.days.map((day) => ({ ...day, markets: ["EQUITY"] })) }), [
    "2026-01-15: closed by the built-in calendar (Municipal Corporation Election - Maharashtra), for EQUITY",
    "2026-12-25: closed by the built-in calendar (Christmas), for EQUITY"
  ])
})

describe("doubts", () => {
  const on = (day: string) => DateTime.makeUnsafe(`${day}T06:00:00Z`)
  const until = forEachVenue(() => "2027-12-31")
  const nextYear = (days: Announcements["days"]) => [builtIn, from("import 1", { until, days })]

  it("are none of the built-in calendar, until its end is near", () => {
    assert.deepStrictEqual(doubtsOf([builtIn], on("2026-11-30")), [])
    assert.deepStrictEqual(doubtsOf([builtIn], on("2026-12-02")), [
      "the trading days are known until 2026-12-31, which is near: import the exchanges' next lists when they come out in December"
    ])
    assert.deepStrictEqual(doubtsOf([builtIn], on("2026-12-16")), [
      "the trading days are known until 2026-12-31: the exchanges have published the next year's holidays by now, import them"
    ])
  })

  it("are holidays on weekends, years without any, sessions without hours, and shares that differ from derivatives", () =>
    assert.deepStrictEqual(
      doubtsOf(
        nextYear([
          holiday("2027-01-23"),
          holiday("2027-10-31", { hoursToCome: true, name: "Muhurat" }),
          holiday("2027-03-22", { markets: ["EQUITY", "EQUITY_DERIVATIVES"] })
        ]),
        on("2026-11-30")
      ),
      [
        "2027-01-23 (a holiday) by import 1 is a holiday on a weekend: is the date right? (EQUITY, EQUITY_WITH_DERIVATIVES, EQUITY_DERIVATIVES, CURRENCY_DERIVATIVES, COMMODITIES)",
        "2027-10-31 (Muhurat) by import 1 trades at hours that are not known: import them (EQUITY, EQUITY_WITH_DERIVATIVES, EQUITY_DERIVATIVES, CURRENCY_DERIVATIVES, COMMODITIES)",
        "2027 has no holiday at all: is its list complete? (EQUITY_WITH_DERIVATIVES, CURRENCY_DERIVATIVES, COMMODITIES)",
        "2027-03-22 is closed for EQUITY, EQUITY_DERIVATIVES only, and not for all of EQUITY, EQUITY_WITH_DERIVATIVES, EQUITY_DERIVATIVES"
      ]
    ))
})

it("an import that cannot be read is named, and none after it is used without it", () => {
  const good = { number: 1, source: "a.json", announcements: { days: [holiday("2026-12-24")] } }
  const bad = { number: 2, source: "b.json", announcements: { days: [{ ...holiday("2026-12-23"), later: true }] } }
  assert.deepStrictEqual(
    Result.map(readImports([good]), (read) => read.map(({ source }) => source)),
    Result.succeed(["import 1 (a.json)"])
  )
  assert.deepStrictEqual(
    readImports([good, bad, { ...good, number: 3 }]),
    Result.fail(
      "import 2 (b.json) of the trading calendar cannot be read: days, entry 1 (2026-12-23): later: Expected no excess property. " +
        "Use the version that imported it, or: calendar remove 2"
    )
  )
})
