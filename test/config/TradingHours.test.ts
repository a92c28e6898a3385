import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { execFileSync } from "node:child_process"
import { mkdtemp, open, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Configuration } from "../../src/config/Configuration.ts"
import { TradingHours } from "../../src/config/TradingHours.ts"
import type { CalendarSource } from "../../src/domain/market/calendarSources.ts"
import { builtInCalendar } from "../../src/domain/market/data/builtInCalendar.ts"
import { describeEnds, endsOf, hoursOn, sessionsFrom } from "../../src/domain/market/TradingCalendar.ts"

const calendarWith = (environment: Readonly<Record<string, string>>, imported: ReadonlyArray<CalendarSource> = []) =>
  TradingHours.pipe(
    Effect.tap(({ checkFile, take }) =>
      Effect.andThen(
        Effect.sync(() => take(imported)),
        checkFile
      )
    ),
    Effect.map(({ calendar }) => calendar()),
    Effect.provide(
      Layer.fresh(TradingHours.layer).pipe(
        Layer.provide(Layer.fresh(Configuration.layer)),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))
      )
    )
  )

const zerodha = { BROKER_TYPE: "zerodha", ZERODHA_API_KEY: "key" }

const fileOf = (content: string) =>
  Effect.promise(async () => {
    const path = join(await mkdtemp(join(tmpdir(), "trading-hours-")), "days.json")
    await writeFile(path, content)
    return path
  })

const problemsOf = (content: unknown) =>
  Effect.gen(function* () {
    const path = yield* fileOf(typeof content === "string" ? content : JSON.stringify(content))
    const { problems } = yield* Effect.flip(calendarWith({ TRADING_CALENDAR: "on", TRADING_CALENDAR_FILE: path }))
    for (const problem of problems) assert.isTrue(problem.startsWith(`TRADING_CALENDAR_FILE ${path}: `), problem)
    return problems.map((problem) => problem.slice(`TRADING_CALENDAR_FILE ${path}: `.length))
  })

describe("TradingHours", () => {
  it.effect("has a calendar for real orders and none for the mock, unless configured", () =>
    Effect.gen(function* () {
      assert.isNull(yield* calendarWith({}))
      assert.strictEqual(yield* calendarWith({ TRADING_CALENDAR: "on" }), builtInCalendar)
      assert.strictEqual(yield* calendarWith(zerodha), builtInCalendar)
      assert.isNull(yield* calendarWith({ ...zerodha, TRADING_CALENDAR: "off" }))
    })
  )

  it.effect("reads later announcements from a file", () =>
    Effect.gen(function* () {
      const path = yield* fileOf(
        JSON.stringify({
          until: "2027-12-31",
          days: [
            { day: "2027-01-26", markets: "all", sessions: [], name: "Republic Day" },
            { day: "2026-11-08", markets: ["EQUITY"], sessions: [["18:00", "19:00"]], name: "Muhurat trading" }
          ]
        })
      )
      const calendar = yield* calendarWith({ ...zerodha, TRADING_CALENDAR_FILE: path })
      if (calendar === null) return assert.fail("there is no calendar")
      assert.strictEqual(describeEnds(endsOf(calendar)), "2027-12-31")
      const onDay = (day: string) => sessionsFrom(calendar, "EQUITY", Date.parse(`${day}T00:00:00+05:30`), 0)
      assert.deepStrictEqual(onDay("2027-01-26"), [])
      assert.strictEqual(onDay("2027-01-27").length, 1)
      assert.strictEqual(onDay("2026-11-08").length, 1)
    })
  )

  it.effect("names every problem of the file with its entry", () =>
    Effect.gen(function* () {
      const problems = yield* problemsOf({
        untill: "2027-12-31",
        hours: [{ market: "EQUITY", since: "2027", hours: ["09:00", "15:00"] }],
        days: [
          { day: "2027-02-30", markets: ["EQUITY", "NSE"], sessions: [["15:30", "09:15"]], name: " " },
          { day: "2027-01-26", markets: [], sessions: [["9:00", "10:00"]] },
          {
            day: "2027-01-27",
            markets: "all",
            sessions: [
              ["10:00", "11:00"],
              ["10:30", "12:00"]
            ],
            name: "two at once"
          },
          "2027-01-28"
        ]
      })
      const markets =
        'Expected "EQUITY" | "EQUITY_WITH_DERIVATIVES" | "EQUITY_DERIVATIVES" | "CURRENCY_DERIVATIVES" | "COMMODITIES"'
      assert.sameMembers(
        [...problems],
        [
          "untill: Expected no excess property",
          'hours, entry 1: since: must be a day such as 2027-01-26, not "2027"',
          'days, entry 1 (2027-02-30): day: must be a day such as 2027-01-26, not "2027-02-30"',
          `days, entry 1 (2027-02-30): markets, entry 2: ${markets}`,
          "days, entry 1 (2027-02-30): sessions, entry 1: must open before it closes, not 15:30 to 09:15",
          "days, entry 1 (2027-02-30): name: must not be empty",
          "days, entry 2 (2027-01-26): markets, entry 1: Missing key",
          'days, entry 2 (2027-01-26): sessions, entry 1, entry 1: must be a time in India such as 09:15, not "9:00"',
          "days, entry 2 (2027-01-26): name: Missing key",
          "days, entry 3 (2027-01-27): sessions: must be in order, none before another's end",
          "days, entry 4: Expected object"
        ]
      )
    })
  )

  it.effect("names contradicting entries of a day, and days after the last known one", () =>
    Effect.gen(function* () {
      const day = (day: string, markets: unknown) => ({ day, markets, sessions: [], name: "a day" })
      const hours = { market: "EQUITY", since: "2026-12-01", hours: ["09:00", "15:00"] }
      const problems = yield* problemsOf({
        hours: [hours, hours],
        days: [day("2026-12-24", ["EQUITY"]), day("2026-12-24", "all")]
      })
      assert.deepStrictEqual(
        [...problems],
        [
          "days, entry 2 (2026-12-24): says again of EQUITY on 2026-12-24 what days, entry 1 (2026-12-24) has said",
          "hours, entry 2: says again of the hours of EQUITY since 2026-12-01 what hours, entry 1 has said"
        ]
      )
      assert.deepStrictEqual(
        [...(yield* problemsOf({ days: [day("2026-12-24", ["EQUITY"]), day("2027-01-26", ["EQUITY"])] }))],
        [
          "days, entry 2 (2027-01-26): is after the last day of EQUITY that is known, 2026-12-31: set until to a later one"
        ]
      )
    })
  )

  it.effect("takes a day of the file that only an import has brought into the calendar", () =>
    Effect.gen(function* () {
      const days = [{ day: "2027-01-27", markets: ["EQUITY"], sessions: [], name: "a day" }]
      const path = yield* fileOf(JSON.stringify({ days }))
      const calendar = yield* calendarWith({ ...zerodha, TRADING_CALENDAR_FILE: path }, [
        {
          source: "import 1",
          until: "2027-12-31",
          days: [{ day: "2027-01-26", markets: "all", sessions: [], name: "a day" }]
        }
      ])
      if (calendar === null) return assert.fail("there is no calendar")
      assert.strictEqual(hoursOn(calendar, "EQUITY", "2027-01-27"), "closed")
      assert.strictEqual(hoursOn(calendar, "COMMODITIES", "2027-01-27"), "09:00–23:55")
    })
  )

  it.effect("names a file that is not JSON or cannot be read", () =>
    Effect.gen(function* () {
      const [problem] = yield* problemsOf("{days: []}")
      assert.match(problem ?? "", /^is not JSON: /)
      const missing = { TRADING_CALENDAR: "on", TRADING_CALENDAR_FILE: "/no/such/days.json" }
      const { message } = yield* Effect.flip(calendarWith(missing))
      assert.include(
        message,
        "The configuration is not valid:\n  TRADING_CALENDAR_FILE /no/such/days.json: cannot be read"
      )
    })
  )

  it.live("refuses what is no readable file of text, without waiting for it", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.promise(() => mkdtemp(join(tmpdir(), "trading-hours-")))
      const [sparse, pipe, binary] = [join(folder, "sparse"), join(folder, "pipe"), join(folder, "binary")]
      yield* Effect.promise(async () => {
        const file = await open(sparse, "w")
        await file.truncate(2 ** 30)
        await file.close()
        await writeFile(binary, Uint8Array.of(0xff, 0xfe, 0x00))
      })
      execFileSync("mkfifo", [pipe])
      const cases: ReadonlyArray<readonly [path: string, problem: string]> = [
        [sparse, "must have at most 1048576 bytes, not 1073741824"],
        [pipe, "must be a file, not a folder, a device or a pipe"],
        [folder, "must be a file, not a folder, a device or a pipe"],
        ["/dev/zero", "must be a file, not a folder, a device or a pipe"],
        [binary, "must be text in UTF-8"]
      ]
      for (const [path, problem] of cases) {
        const { problems } = yield* Effect.flip(calendarWith({ TRADING_CALENDAR: "on", TRADING_CALENDAR_FILE: path }))
        assert.deepStrictEqual([...problems], [`TRADING_CALENDAR_FILE ${path}: ${problem}`])
      }
    })
  )

  it.effect("names few problems, each on a short line, for any JSON", () =>
    Effect.gen(function* () {
      const deep = (open: string, close: string) => `${open.repeat(100_000)}1${close.repeat(100_000)}`
      const contents = [
        deep("[", "]"),
        `{"days":${deep("[", "]")}}`,
        `{"days":[${deep('{"day":', "}")}]}`,
        '{"until":1e999,"days":[]}',
        JSON.stringify({ ["\u001b[31m\nFAKE".repeat(10_000)]: 1 }),
        JSON.stringify({ until: "x".repeat(1_000_000), days: [] }),
        JSON.stringify({ days: Array.from({ length: 30_000 }, () => 1) })
      ]
      for (const content of contents) {
        const path = yield* fileOf(content)
        const file = { TRADING_CALENDAR: "on", TRADING_CALENDAR_FILE: path }
        const { message } = yield* Effect.flip(calendarWith(file))
        const lines = message.split("\n")
        assert.isAtMost(lines.length, 52)
        assert.isBelow(Math.max(...lines.map(({ length }) => length)), 1100)
        assert.notMatch(message, /[^\P{Cc}\n]/u)
      }
    })
  )

  it.effect("refuses a file while the calendar is off", () =>
    Effect.gen(function* () {
      const file = { TRADING_CALENDAR_FILE: "days.json" }
      const mock = yield* Effect.flip(calendarWith(file))
      assert.deepStrictEqual(
        [...mock.problems],
        [
          "TRADING_CALENDAR_FILE must not be set while the trading calendar is off (BROKER_TYPE is mock): " +
            "set TRADING_CALENDAR=on, or leave the file out"
        ]
      )
      const off = yield* Effect.flip(calendarWith({ ...zerodha, ...file, TRADING_CALENDAR: "off" }))
      assert.include(off.problems[0], "(TRADING_CALENDAR is off)")
    })
  )
})
