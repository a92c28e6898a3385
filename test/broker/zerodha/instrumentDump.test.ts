import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Effect, Option, Redacted, Result } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { gzipSync } from "node:zlib"
import { downloadInstruments, readInstrumentDump } from "../../../src/broker/zerodha/instrumentDump.ts"
import { KiteClient } from "../../../src/broker/zerodha/KiteClient.ts"
import { Instrument } from "../../../src/domain/model/Order.ts"
import { instrumentsCsv } from "../../../src/kite-simulator/listedInstruments.ts"
import { configuration } from "../../support/database.ts"
import { failure, type ScriptedKite, scriptedKite, text, truncated } from "../../support/scriptedKite.ts"
import { answerWithoutEnd } from "../../support/webhookServer.ts"

const header =
  "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange"
const infy = "408065,1594,INFY,INFOSYS,1345.30,,0.0,0.05,1,EQ,NSE,NSE"
const nifty = '12602626,49229,NIFTY26NOVFUT,"NIFTY",0,2026-11-24,0,0.05,65,FUT,NFO-FUT,NFO'
const option = "5720578,22346,NIFTY26NOV26000CE,NIFTY,23.0,2026-11-24,26000.0,0.05,65,CE,NFO-OPT,NFO"
const dump = (...lines: ReadonlyArray<string>) => [header, ...lines, ""].join("\n")

const parsed = (csv: string) => Effect.runSync(readInstrumentDump(csv))
const names = (csv: string) => parsed(csv).instruments.map(({ instrument }) => instrument)
const problem = (csv: string) => {
  const result = Effect.runSync(Effect.result(readInstrumentDump(csv)))
  return Result.isFailure(result) ? result.failure : assert.fail("it was taken")
}

describe("readInstrumentDump", () => {
  it("reads shares, futures and options", () => {
    const { instruments, leftOut } = parsed(dump(infy, nifty, option))
    assert.strictEqual(leftOut, 0)
    assert.deepStrictEqual(
      instruments.map((one) => ({
        ...one,
        tickSize: BigDecimal.format(one.tickSize),
        lastPrice: one.lastPrice === null ? null : BigDecimal.format(one.lastPrice)
      })),
      [
        {
          instrument: Instrument.make("NSE:INFY"),
          name: "INFOSYS",
          lotSize: 1,
          tickSize: "0.05",
          instrumentType: "EQ",
          segment: "NSE",
          expiry: null,
          lastPrice: "1345.3",
          token: 408065
        },
        {
          instrument: Instrument.make("NFO:NIFTY26NOVFUT"),
          name: "NIFTY",
          lotSize: 65,
          tickSize: "0.05",
          instrumentType: "FUT",
          segment: "NFO-FUT",
          expiry: "2026-11-24",
          lastPrice: null,
          token: 12602626
        },
        {
          instrument: Instrument.make("NFO:NIFTY26NOV26000CE"),
          name: "NIFTY",
          lotSize: 65,
          tickSize: "0.05",
          instrumentType: "CE",
          segment: "NFO-OPT",
          expiry: "2026-11-24",
          lastPrice: "23",
          token: 5720578
        }
      ]
    )
  })

  it("reads the simulator's dump", () => {
    const { instruments, leftOut, refused } = parsed(instrumentsCsv(null, Date.parse("2026-11-30T12:00:00+05:30")))
    assert.lengthOf(instruments, instrumentsCsv(null, Date.parse("2026-11-30T12:00:00+05:30")).split("\n").length - 2)
    assert.deepStrictEqual([leftOut, refused], [0, []])
  })

  it.live("reads 122,000 lines without holding up the process, and all but one that is bad", () =>
    Effect.gen(function* () {
      const lines = Array.from({ length: 122_000 }, (_, index) => option.replace("26000CE", `${index}CE`))
      lines[61_000] = nifty.replace(",65,", ",1e+06,")
      const delay = monitorEventLoopDelay({ resolution: 1 })
      const csv = dump(...lines)
      delay.enable()
      const { instruments, refused } = yield* readInstrumentDump(csv)
      delay.disable()
      assert.lengthOf(instruments, 121_999)
      assert.deepStrictEqual(
        refused.map(({ line, instrument }) => [line, instrument]),
        [[61_002, "NFO:NIFTY26NOVFUT"]]
      )
      // All lines take about a second. Without pauses, that would be the one delay that is measured.
      assert.isBelow(delay.percentile(50) / 1e6, 100)
    })
  )

  it("reads quoted names with commas and quotes, and quotes inside unquoted names", () => {
    const named = (name: string) => parsed(dump(infy.replace("INFOSYS", name))).instruments[0]?.name
    assert.strictEqual(named('"MAHINDRA & MAHINDRA, LTD"'), "MAHINDRA & MAHINDRA, LTD")
    assert.strictEqual(named('"THE ""BIG"" ONE, INC"'), 'THE "BIG" ONE, INC')
    assert.strictEqual(named('24" PIPES'), '24" PIPES')
    assert.strictEqual(named('""'), "")
    assert.strictEqual(named(""), "")
  })

  it("accepts other line ends, a byte order mark, reordered columns and new ones", () => {
    assert.deepStrictEqual(names(dump(infy, nifty).replaceAll("\n", "\r\n")), ["NSE:INFY", "NFO:NIFTY26NOVFUT"])
    assert.deepStrictEqual(names(`\uFEFF${dump(infy)}`), ["NSE:INFY"])
    assert.deepStrictEqual(
      names(
        "new,exchange,segment,instrument_type,lot_size,tick_size,expiry,last_price,name,tradingsymbol,instrument_token\n" +
          "x,NSE,NSE,EQ,1,0.05,,0,INFOSYS,INFY,408065\n"
      ),
      ["NSE:INFY"]
    )
  })

  it("omits and counts instruments that no order can be for", () => {
    const index = '256265,1001,NIFTY 50,"NIFTY 50",0,,0,0,0,EQ,INDICES,NSE'
    const tickless = infy.replace("0.05", "0").replace("INFY", "TICKLESS")
    const spaced = infy.replace("INFY", "A B")
    const result = parsed(dump(index, infy, tickless, spaced))
    assert.strictEqual(result.leftOut, 3)
    assert.deepStrictEqual(
      result.instruments.map(({ instrument }) => instrument),
      ["NSE:INFY"]
    )
  })

  const bad = [
    { what: "a value too few", line: infy.replace(",NSE,NSE", ",NSE"), says: "the 12 values" },
    { what: "a value too many", line: `${infy},`, says: "the 12 values" },
    { what: "an open quote", line: infy.replace("INFOSYS", '"INFOSYS'), says: "the 12 values" },
    { what: "an empty line", line: "", says: "it is empty" },
    { what: "a lot of words", line: nifty.replace(",65,", ",many,"), says: "lot_size is no whole number" },
    { what: "half a lot", line: nifty.replace(",65,", ",0.5,"), says: "lot_size is no whole number" },
    { what: "a negative lot", line: nifty.replace(",65,", ",-65,"), says: "lot_size is no whole number" },
    { what: "a lot beyond all numbers", line: nifty.replace(",65,", ",2147483648,"), says: "lot_size" },
    { what: "a tick in words", line: infy.replace("0.05", "small"), says: "tick_size is no number" },
    { what: "a negative tick", line: infy.replace("0.05", "-0.05"), says: "tick_size is no number" },
    { what: "a tick in powers", line: infy.replace("0.05", "5e-2"), says: "tick_size is no number" },
    { what: "a price in words", line: infy.replace("1345.30", "NaN"), says: "last_price is no number" },
    { what: "a token in words", line: infy.replace("408065", "x"), says: "instrument_token is no whole number" },
    { what: "another kind of day", line: nifty.replace("2026-11-24", "24-11-2026"), says: "expiry is no day" },
    { what: "a day that is none", line: nifty.replace("2026-11-24", "2026-02-30"), says: "expiry is no day" },
    { what: "a lot as a power", line: nifty.replace(",65,", ",1e+06,"), says: "lot_size is no whole number" },
    { what: "a blank tick", line: infy.replace("0.05", ""), says: "tick_size is no number" },
    { what: "a day of no calendar", line: nifty.replace("2026-11-24", "0000-01-01"), says: "expiry is no day" },
    { what: "a very long name", line: infy.replace("INFOSYS", '"'.repeat(2000)), says: "the 12 values" },
    { what: "no symbol", line: infy.replace(",INFY,", ",,"), says: "exchange or tradingsymbol is empty" }
  ]
  for (const { what, line, says } of bad) {
    it(`refuses and names a line with ${what}, and reads the others`, () => {
      const { instruments, refused } = parsed(dump(option, line, infy.replace("INFY", "TCS")))
      assert.deepStrictEqual(
        instruments.map(({ instrument }) => `${instrument}`),
        ["NFO:NIFTY26NOV26000CE", "NSE:TCS"]
      )
      const [odd] = refused
      assert.deepStrictEqual([refused.length, odd?.line], [1, 3])
      assert.include(odd?.problem, says)
      // What is known of the instrument stays as it was, so its name must be found even where the line is torn.
      const name = line.includes("NIFTY26") ? "NFO:NIFTY26NOVFUT" : "NSE:INFY"
      assert.strictEqual(odd?.mayBe.includes(name), !["an empty line", "no symbol"].includes(what), what)
    })
  }

  it("refuses the whole dump if more than ten lines, or one in a thousand, are bad", () => {
    const shares = (count: number, change: (line: string) => string = (line) => line) =>
      Array.from({ length: count }, (_, index) => change(infy.replace("INFY", `S${index}`)))
    const bad = (count: number) => shares(count, (line) => line.replace("S", "BAD").replace("0.05", ""))
    assert.lengthOf(parsed(dump(infy, ...bad(10))).refused, 10)
    assert.include(problem(dump(infy, ...bad(11))).message, "tick_size is no number")
    assert.include(problem(dump(...shares(11), ...shares(11))).message, "many are in it twice, such as NSE:S10")
    assert.strictEqual(problem(dump(infy, ...bad(1000))).line, 13)
  })

  it("refuses an instrument that is listed twice: which line is right is not known", () => {
    const { instruments, refused } = parsed(dump(infy, nifty, infy.replace("0.05", "0.10")))
    assert.deepStrictEqual([instruments.length, refused.length], [1, 1])
    assert.deepInclude(refused[0], { line: 4, problem: "NSE:INFY is in line 2 already", mayBe: ["NSE:INFY"] })
  })

  it("cuts and masks names", () => {
    const named = (name: string) => parsed(dump(infy.replace("INFOSYS", name))).instruments[0]?.name
    assert.strictEqual(named("IN\u001b]0;FO\u202e"), "IN?]0;FO?")
    assert.strictEqual(named("X".repeat(500)), `${"X".repeat(200)}… (500 characters)`)
  })

  it("refuses a missing column, and a text that is not a dump", () => {
    for (const column of ["instrument_token", "tradingsymbol", "tick_size", "lot_size", "expiry", "exchange"]) {
      const error = problem(dump(infy).replace(new RegExp(`\\b${column}\\b`), "other"))
      assert.strictEqual(error.line, 1)
      assert.include(error.message, `there is no column ${column}`)
    }
    for (const csv of ["", "\n", "<html>Maintenance</html>", "{}"]) assert.strictEqual(problem(csv).line, 1)
    assert.include(problem(`${header}\n`).message, "has no instruments in it")
    assert.include(problem(dump(infy.replace("0.05", "0"))).message, "has no instruments in it")
  })

  it("refuses a dump that is cut anywhere in its last line, but accepts a missing line end", () => {
    const whole = `${header}\n${infy}\n${nifty}\n${option}`
    assert.lengthOf(names(whole), 3)
    for (let cut = 1; cut < option.length; cut += 1) {
      assert.strictEqual(problem(whole.slice(0, -cut)).line, 4, whole.slice(-cut))
    }
  })
})

/** Runs a download from a server with these answers. */
const downloaded = (onRequest: ScriptedKite["onRequest"]) =>
  Effect.gen(function* () {
    const kite = yield* scriptedKite
    kite.onRequest = onRequest
    const result = yield* Effect.result(downloadInstruments(Redacted.make("the-access-token"))).pipe(
      Effect.provide(KiteClient.layer),
      Effect.provide(configuration({ ZERODHA_API_KEY: "the-key", ZERODHA_URL: kite.url }))
    )
    return { result, kite }
  }).pipe(Effect.scoped)

const failureOf = (onRequest: ScriptedKite["onRequest"]) =>
  Effect.map(downloaded(onRequest), ({ result }) =>
    Option.getOrElse(Result.getFailure(result), () => assert.fail("it was taken"))
  )

describe("downloadInstruments", () => {
  it.live("reads the dump, plain or compressed", () =>
    Effect.gen(function* () {
      const plain = yield* downloaded(() => text(200, dump(infy, nifty)))
      assert.lengthOf(Result.getOrThrow(plain.result).instruments, 2)
      assert.deepStrictEqual(
        plain.kite.seen.map(({ method, path, headers }) => [method, path, headers.authorization]),
        [["GET", "/instruments", "token the-key:the-access-token"]]
      )
      for (const headers of [{ "content-encoding": "gzip" }, { "content-type": "application/gzip" }]) {
        const zipped = yield* downloaded(() => (response) => {
          response.writeHead(200, headers).end(gzipSync(dump(infy, nifty)))
        })
        assert.lengthOf(Result.getOrThrow(zipped.result).instruments, 2)
      }
    })
  )

  it.live("stops to read an answer at 64 MiB, as it comes and unpacked", () =>
    Effect.gen(function* () {
      const bomb = gzipSync(Buffer.alloc(65 * 1024 * 1024))
      assert.isBelow(bomb.length, 100_000)
      const unpacked = yield* failureOf(() => (response) => {
        response.writeHead(200, { "content-encoding": "gzip" }).end(bomb)
      })
      assert.deepStrictEqual(
        [unpacked._tag, unpacked.message],
        ["KiteUnanswered", "The answer is compressed and has more than 64 MiB unpacked"]
      )
      const endless = yield* failureOf(() => answerWithoutEnd(200))
      assert.strictEqual(endless._tag, "KiteUnanswered")
      assert.include(endless.message, "The answer has more than 64 MiB")
    })
  )

  it.live("refuses every broken download", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* failureOf(() => truncated(dump(infy, nifty))))._tag, "KiteUnanswered")
      const halfZip = yield* failureOf(() => (response) => {
        response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(dump(infy, nifty)).subarray(0, 60))
      })
      assert.strictEqual(halfZip._tag, "KiteUnanswered")
      assert.include(halfZip.message, "compressed and cannot be read")
      assert.strictEqual((yield* failureOf(() => text(200, "<html>")))._tag, "InstrumentDumpInvalid")
      assert.strictEqual((yield* failureOf(() => text(502, "<html>")))._tag, "BrokerTryLater")
      const refused = yield* failureOf(() => failure(403, "TokenException", "Incorrect `access_token`."))
      assert.strictEqual(refused._tag, "BrokerCredentialsInvalid")
    })
  )
})
