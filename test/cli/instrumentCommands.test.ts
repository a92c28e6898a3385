import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { mockInstruments } from "../../src/broker/mock/mockInstruments.ts"
import type { Db } from "../../src/db/Db.ts"
import { KiteSimulator } from "../../src/kite-simulator/KiteSimulator.ts"
import { instrumentsCsv } from "../../src/kite-simulator/listedInstruments.ts"
import { withDatabase } from "../support/daemon.ts"
import { runMain } from "../support/processes.ts"
import { scriptedKite, text } from "../support/scriptedKite.ts"

type Environment = Readonly<Record<string, string>>
type Pulse = (
  args: ReadonlyArray<string>,
  changed?: Environment
) => Effect.Effect<{ readonly code: number | string; readonly output: string }>

/** A Kite simulator, a database, and the command line for both, with a valid access token. */
const withSimulator = <A, E>(
  body: (pulse: Pulse, simulator: KiteSimulator["Service"]) => Effect.Effect<A, E, Db | Scope.Scope>
) =>
  withDatabase((url) =>
    Effect.gen(function* () {
      const simulator = yield* KiteSimulator
      const environment = {
        DATABASE_URL: url,
        BROKER_TYPE: "zerodha",
        ZERODHA_API_KEY: "simulator-key",
        ZERODHA_ACCESS_TOKEN: yield* simulator.issueToken,
        ZERODHA_URL: simulator.url
      }
      return yield* body((args, changed) => runMain(args, { ...environment, ...changed }), simulator)
    }).pipe(Effect.scoped, Effect.provide(KiteSimulator.layer({ startsAtMillis })))
  )

/** Where the simulator's clock starts, and the list of that day. */
const startsAtMillis = Date.parse("2026-11-30T12:00:00+05:30")
const today = instrumentsCsv(null, startsAtMillis)
const listings = today.trim().split("\n").length - 1

describe("the instruments commands", () => {
  it.live("sync downloads Zerodha's list; status and show describe it", () =>
    withSimulator((pulse) =>
      Effect.gen(function* () {
        for (const args of [["status"], ["show", "NSE:INFY"]]) {
          const none = yield* pulse(["instruments", ...args])
          assert.deepStrictEqual(
            [none.code, none.output],
            [1, 'No instruments are known yet: "instruments sync" gets them\n']
          )
        }
        const first = yield* pulse(["instruments", "sync"])
        assert.deepStrictEqual(
          [first.code, first.output],
          [0, `${listings} instruments of the zerodha broker: ${listings} are new, 0 are gone\n`]
        )
        assert.include((yield* pulse(["instruments", "sync"])).output, ": 0 are new, 0 are gone")
        const status = yield* pulse(["instruments", "status"])
        assert.strictEqual(status.code, 0, status.output)
        assert.match(
          status.output,
          new RegExp(`^${listings} instruments of the zerodha broker, synced at 2\\d{3}-.*Z\n$`)
        )

        const share = yield* pulse(["instruments", "show", "NSE:M&M"])
        assert.deepStrictEqual(
          [share.code, share.output],
          [0, "NSE:M&M: MAHINDRA & MAHINDRA\nEQ, segment NSE, token 519937\nlot 1, tick 0.05\n"]
        )
        const future = yield* pulse(["instruments", "show", "NFO:NIFTY26DECFUT"])
        assert.match(future.output, /lot 65, tick 0\.05\n(trades until|EXPIRED on) 2026-12-29\n$/)
        const asJson = yield* pulse(["instruments", "show", "NSE:INFY", "--json"])
        assert.deepStrictEqual(JSON.parse(asJson.output), {
          instrument: "NSE:INFY",
          name: "INFOSYS",
          lotSize: 1,
          tickSize: "0.05",
          instrumentType: "EQ",
          segment: "NSE",
          expiry: null,
          lastPrice: null,
          token: 408065,
          isExpired: false
        })
      })
    )
  )

  it.live("show suggests similar names for an unknown instrument", () =>
    withSimulator((pulse) =>
      Effect.gen(function* () {
        yield* pulse(["instruments", "sync"])
        const cases = [
          ["NSE:RELAINCE", ". Similar: NSE:RELIANCE, BSE:RELIANCE"],
          ["NFO:NIFTY26NOVFUT", ". Similar: NFO:NIFTY26DECFUT, NFO:NIFTY27FEBFUT, NFO:NIFTY27JANFUT"],
          ["infy", ""],
          ["NSE:QQQQQQQ", ""]
        ] as const
        for (const [wanted, similar] of cases) {
          const { code, output } = yield* pulse(["instruments", "show", wanted])
          assert.deepStrictEqual([code, output], [1, `There is no instrument ${wanted}${similar}\n`])
        }
      })
    )
  )

  it.live("sync says what to do about an invalid token, and changes nothing", () =>
    withSimulator((pulse, simulator) =>
      Effect.gen(function* () {
        yield* pulse(["instruments", "sync"])
        const before = yield* pulse(["instruments", "status"])
        const cases = [
          [{ ZERODHA_ACCESS_TOKEN: "" }, "there is no Zerodha access token. Run the command `zerodha login`"],
          [{ ZERODHA_ACCESS_TOKEN: "old" }, 'Renew it: "zerodha login"'],
          [{ ZERODHA_URL: "http://127.0.0.1:9" }, "Could not connect to Zerodha"]
        ] as const
        for (const [changed, says] of cases) {
          const { code, output } = yield* pulse(["instruments", "sync"], changed)
          assert.strictEqual(code, 1)
          assert.include(output, "The instruments were not synced, and nothing was changed: ")
          assert.include(output, says)
        }
        assert.notInclude((yield* pulse(["instruments", "sync"], { ZERODHA_ACCESS_TOKEN: "sesame" })).output, "sesame")
        const offline = yield* pulse(["instruments", "status"], {
          DATABASE_URL: "postgres://u@127.0.0.1:9/none",
          ZERODHA_URL: simulator.url
        })
        assert.strictEqual(offline.code, 1)
        assert.include(offline.output, "Cannot use the database at 127.0.0.1:9/none")
        assert.strictEqual((yield* pulse(["instruments", "status"])).output, before.output)
      })
    )
  )

  it.live("sync names a line that cannot be read, keeps what was known of its instrument, and takes all others", () =>
    withSimulator((pulse) =>
      Effect.gen(function* () {
        yield* pulse(["instruments", "sync"])
        const kite = yield* scriptedKite
        const lines = today.split("\n")
        const index = lines.findIndex((line) => line.includes(",INFY,") && line.endsWith(",NSE"))
        lines[index] = (lines[index] ?? "").replace(",0.05,", ",,")
        kite.onRequest = () => text(200, lines.join("\n"))
        const { code, output } = yield* pulse(["instruments", "sync"], { ZERODHA_URL: kite.url })
        assert.strictEqual(code, 0, output)
        assert.include(output, `${listings} instruments of the zerodha broker: 0 are new, 0 are gone`)
        assert.include(output, "1 line cannot be read; what was known of 1 instrument stays as it was:")
        assert.include(output, `line ${index + 1}, NSE:INFY: tick_size is no number`)
        assert.include((yield* pulse(["instruments", "show", "NSE:INFY"])).output, "lot 1, tick 0.05")
      })
    )
  )

  it.live("sync refuses a broken list, and a much shorter one unless forced", () =>
    withSimulator((pulse) =>
      Effect.gen(function* () {
        yield* pulse(["instruments", "sync"])
        const kite = yield* scriptedKite
        const broken = { ZERODHA_URL: kite.url }
        const csv = today
        const cases = [
          ["<html>Maintenance</html>", "Line 1 of the instrument dump is bad"],
          ["", "Line 1 of the instrument dump is bad"],
          [csv.slice(0, -20), `Line ${listings + 1} of the instrument dump is bad`]
        ] as const
        for (const [body, says] of cases) {
          kite.onRequest = () => text(200, body)
          const { code, output } = yield* pulse(["instruments", "sync", "--force"], broken)
          assert.strictEqual(code, 1)
          assert.include(output, says)
        }
        kite.onRequest = () => text(200, csv.split("\n").slice(0, 4).join("\n") + "\n")
        const short = yield* pulse(["instruments", "sync"], broken)
        assert.strictEqual(short.code, 1)
        assert.include(short.output, `3 instruments, under half of the ${listings} that are known; nothing was changed`)
        assert.include(short.output, '"instruments sync --force"')
        assert.match((yield* pulse(["instruments", "status"])).output, new RegExp(`^${listings} instruments`))
        const forced = yield* pulse(["instruments", "sync", "--force", "--json"], broken)
        assert.deepStrictEqual(JSON.parse(forced.output), {
          source: "zerodha",
          total: 3,
          added: 0,
          removed: listings - 3,
          kept: 0,
          leftOut: 0,
          refused: []
        })
      })
    )
  )

  it.live("sync stores the built-in list with the mock broker", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const { code, output } = yield* runMain(["instruments", "sync"], { DATABASE_URL: url })
        assert.strictEqual(code, 0, output)
        assert.include(output, `${mockInstruments.length} instruments of the mock broker`)
        const future = yield* runMain(["instruments", "show", "NFO:NIFTY99DECFUT"], { DATABASE_URL: url })
        assert.include(future.output, "lot 65, tick 0.05\ntrades until 2099-12-31")
      })
    )
  )

  it.live("fail with the reason when the database is not up to date", () =>
    withDatabase(
      (url) =>
        Effect.gen(function* () {
          const { code, output } = yield* runMain(["instruments", "status"], { DATABASE_URL: url })
          assert.strictEqual(code, 1)
          assert.include(output, "The database is not up to date: run the command migrate")
        }),
      "empty"
    )
  )
})
