import { assert, describe, it } from "@effect/vitest"
import { Cause, DateTime, Effect } from "effect"
import { readInstrumentDump } from "../../src/broker/zerodha/instrumentDump.ts"
import { lookupAnswer, orderAnswer } from "../../src/broker/zerodha/kiteAnswers.ts"
import { readEntries, readOrderList } from "../../src/broker/zerodha/kiteOrders.ts"
import { readQuotes } from "../../src/broker/zerodha/kiteQuotes.ts"
import { readTrades } from "../../src/broker/zerodha/kiteTrades.ts"
import { requestTokenIn } from "../../src/broker/zerodha/login.ts"
import { html } from "../../src/cli/report/html.ts"
import { numbersOf } from "../../src/cli/shared/orderFlags.ts"
import { progressLine } from "../../src/cli/terminal/renderOrders.ts"
import { table } from "../../src/cli/terminal/table.ts"
import { cut, shown, shownCell, wrap } from "../../src/cli/terminal/text.ts"
import { settings } from "../../src/config/Configuration.ts"
import { jsons, texts } from "../../src/db/parameters.ts"
import { validateArrival, validateOrder } from "../../src/domain/lifecycle/validateOrder.ts"
import { readCalendarFile } from "../../src/domain/market/calendarFile.ts"
import { announced } from "../../src/domain/market/data/announced.ts"
import { builtInCalendar } from "../../src/domain/market/data/builtInCalendar.ts"
import { readCalendarText } from "../../src/domain/market/forms/readCalendarText.ts"
import { indianMoment } from "../../src/domain/market/indianTime.ts"
import { nearestNames } from "../../src/domain/market/InstrumentDetails.ts"
import { endsOf } from "../../src/domain/market/TradingCalendar.ts"
import { Tag } from "../../src/domain/model/Ids.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import { bodyOf } from "../../src/domain/operations/notification.ts"
import { excerpt } from "../../src/domain/text/excerpt.ts"
import { oneLine } from "../../src/domain/text/oneLine.ts"
import { safe, safeJson, safeOutput } from "../../src/domain/text/safe.ts"
import { maskOf } from "../../src/domain/text/secrets.ts"
import { shellWord } from "../../src/domain/text/shellWord.ts"
import { shortened } from "../../src/domain/text/shortened.ts"
import { summary } from "../../src/runtime/logAndContinue.ts"
import { LogFolding } from "../../src/runtime/LogFolding.ts"
import { textIn } from "../../src/runtime/Logging.ts"
import { order } from "../cli/top/snapshot.ts"

/** A function that runs on text from outside. */
type OnText = (text: string) => unknown

const now = DateTime.makeUnsafe(0)

const row = {
  id: "o1",
  instrument: "NSE:INFY",
  side: "BUY",
  totalQuantity: 100,
  numSplits: 5,
  durationMinutes: 1,
  randomize: false,
  strategy: "TWAP",
  riskAversion: null,
  weights: null,
  planSeed: null,
  orderType: "MARKET",
  limitPrice: null,
  productType: "CNC",
  validity: "DAY",
  latenessPolicy: "SEND",
  maxLatenessSeconds: null,
  cancelUnfilledAfterSeconds: null,
  carryUnfilled: false,
  carryRejected: false,
  completion: "REPORT",
  sessionPolicy: "SAME_DAY",
  algoId: null
}

const listOf = (data: unknown): string => JSON.stringify({ status: "success", data })

const masked = maskOf(["a", "secret-of-sixteen", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"])

const readDump = (csv: string) => Effect.runSync(Effect.result(readInstrumentDump(csv)))

const tags: ReadonlySet<Tag> = new Set(["a", "PB1"].map((tag) => Tag.make(tag)))

const readLists = (body: string) =>
  [readOrderList(body, tags), readEntries(body), readTrades(body)].map((read) =>
    Effect.runSyncExit<unknown, unknown>(read)
  )

const dump = (line: string): string =>
  "instrument_token,tradingsymbol,name,last_price,expiry,tick_size,lot_size,instrument_type,segment,exchange\n" +
  `${line}\n`

const rows: Readonly<Record<string, OnText>> = {
  "validateOrder, all texts": (text) =>
    validateOrder({
      ...row,
      instrument: text,
      side: text,
      strategy: text,
      planSeed: text,
      limitPrice: text,
      weights: text
    }),
  "validateOrder, many weights": (text) =>
    validateOrder({ ...row, strategy: "WEIGHTS", weights: Array.from({ length: text.length / 4 }, () => text[0]) }),
  "validateArrival, all ids": (text) => validateArrival({ ...row, id: text, requestId: text, originTraceId: text }),
  bodyOf: (text) =>
    (["slack", "json"] as const).map((format) =>
      JSON.stringify(
        bodyOf(format, {
          key: text,
          kind: "shortfall",
          severity: "info",
          message: text,
          orderId: text,
          sliceId: text,
          reasonCode: null,
          foundAt: now
        })
      )
    ),
  "parameters of statements": (text) => [texts([text]), jsons([{ [text]: text }])]
}

const broker: Readonly<Record<string, OnText>> = {
  "orderAnswer, any body": (body) => [200, 400, 401].map((status) => orderAnswer({ status, body, masked }, now)),
  "orderAnswer, a failure": (text) => {
    const body = JSON.stringify({ status: "error", error_type: text, message: text })
    return [400, 403].map((status) => orderAnswer({ status, body, masked }, now))
  },
  "orderAnswer, an id": (text) => orderAnswer({ status: 200, body: listOf({ order_id: text }), masked }, now),
  "lookupAnswer, any body": (body) =>
    [400, 401, 403, 429, 500].map((status) => lookupAnswer({ status, body, masked }, now)),
  "order list, any body": (body) => [...readLists(body), readQuotes(body, [])],
  "order list, any rows": (text) => readLists(listOf([...text].slice(0, text.length / 4))),
  "order list, a long row": (text) => {
    const body = listOf([
      { order_id: text, tag: text, tags: [text], status: text, status_message: text, quantity: text }
    ])
    return readLists(body)
  },
  "order list, many tags": (text) => readLists(listOf([{ order_id: "1", tags: [...text].slice(0, text.length / 4) }])),
  readQuotes: (text) => readQuotes(listOf({ [text]: { last_price: text } }), [Instrument.make("NSE:INFY")]),
  "instrument dump, any text": (text) => readDump(text),
  "instrument dump, a long line": (text) => readDump(dump(text)),
  "instrument dump, a long value": (text) =>
    readDump(dump(`1,INFY,"${text.replaceAll('"', '""')}",${text.replaceAll(",", "")},,0.05,1,EQ,NSE,NSE`)),
  "instrument dump, open quotes": (text) => readDump(dump(`"${text}`)),
  "instrument dump, many quoted values": (text) => readDump(dump('"a",'.repeat(text.length / 4))),
  requestTokenIn: (text) => [requestTokenIn(text), requestTokenIn(`https://h/?request_token=${text}`)]
}

const entryOf = (text: string) => ({
  date: new Date(0),
  level: "error",
  message: text,
  fields: { worker: text, reason_code: text, order_id: text, cause: text }
})

const logs: Readonly<Record<string, OnText>> = {
  safe,
  safeJson,
  safeOutput,
  oneLine,
  shellWord,
  shortened: (text) => [shortened(text, 200), shortened(text, text.length - 1)],
  excerpt: (text) => excerpt(text, ""),
  "log folding": (text) => {
    const folding = new LogFolding()
    folding.admits(entryOf(text), () => 0)
    folding.admits(entryOf(text), () => 0)
    return folding.rest(60_000)
  },
  "JSON lines": (text) => textIn("json")({ ...entryOf("short"), message: text }),
  "pretty lines": (text) => textIn("pretty")(entryOf(text)),
  causes: (text) => [summary(Cause.fail(new Error(text))), summary(Cause.die(new Error(text)))]
}

const terminal: Readonly<Record<string, OnText>> = {
  shown: (text) => shown([text, text]),
  cut: (text) => cut(text, 80),
  wrap: (text) => wrap(shownCell(text), 80),
  table: (text) => table(["A", "B"], [[text, text]]),
  progressLine: (text) =>
    progressLine(order("o1", { instrument: text, statusReason: text, nextDueAt: null }), now, 100),
  html: (text) => html`<p title="${text}">${text}</p>`.text,
  numbersOf
}

const given: Readonly<Record<string, OnText>> = {
  ...Object.fromEntries(settings.map(({ name, decode }) => [`setting ${name}`, decode])),
  "calendar file, any text": (text) => readCalendarFile(text, endsOf(builtInCalendar)),
  "calendar file, long texts": (text) =>
    readCalendarFile(
      JSON.stringify({ until: text, days: [{ day: text, name: text, markets: [text] }] }),
      endsOf(builtInCalendar)
    ),
  "calendar in NSE's form, long texts": (text) =>
    readCalendarText(
      JSON.stringify({ COM: [{ tradingDate: text, description: text, morning_session: text, evening_session: text }] }),
      [announced]
    ),
  "calendar in NSE's form, a session": (text) =>
    readCalendarText(
      JSON.stringify({ COM: [{ tradingDate: "26-Jan-2027", description: "a", morning_session: text }] }),
      [announced]
    ),
  "calendar in a broker's form, long texts": (text) =>
    readCalendarText(
      JSON.stringify({ data: [{ date: text, description: text, closed_exchanges: [text], open_exchanges: [] }] }),
      [announced]
    ),
  indianMoment: (text) => indianMoment(text, now),
  nearestNames: (text) => nearestNames(text, ["NSE:INFY", "NSE:RELIANCE"])
}

/** What a text is filled with: what expressions with two ways to go on are slow for. */
const fillings = [
  "a",
  " ",
  '"',
  "'",
  "a:",
  "7",
  "\n",
  "\\",
  "{",
  "[",
  ",",
  '"a",',
  "/",
  "a1 ",
  "://",
  "$",
  "\u0301",
  "\u202e",
  "株",
  "👍",
  "\u001b[",
  "a=b,",
  "%20",
  "\\u0000",
  "1,",
  "A b.c:d;9-\"'{}\\\n"
]

const filled = (filling: string, length: number): string =>
  filling.repeat(Math.ceil(length / filling.length)).slice(0, length)

/** The CPU time of a run in milliseconds: the smallest of several, because others use the machine, too. */
const cpuMillis = (run: OnText, text: string, runs: number, repeats: number): number => {
  let least = Infinity
  for (let done = 0; done < runs; done += 1) {
    const before = process.cpuUsage()
    for (let repeat = 0; repeat < repeats; repeat += 1) run(text)
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1000 / repeats)
  }
  return least
}

/** How many times the linear time is allowed: a quadratic function takes 32 times as long for 32,000 characters already. */
const generosity = 12
/** Below this a ratio says nothing, because it has the work of the runtime in it. */
const minMillis = 150
/** Nothing takes as long for a million characters. */
const maxMillis = 5000

/** The first size at which a function takes far more than linear time for a filling; null if there is none. */
const tooSlowAt = (run: OnText, filling: string): string | null => {
  const small = cpuMillis(run, filled(filling, 1000), 3, 5)
  let before = Infinity
  // A quadratic function is found before it gets a million characters, with which it would take hours.
  for (const length of [32_000, 200_000, 1_000_000]) {
    const text = filled(filling, length)
    const limit = Math.min(maxMillis, Math.max(minMillis, generosity * (length / 1000) * small))
    // Measured again only if it was slow: it may have been the compiler or the collector of garbage.
    const millis = cpuMillis(run, text, 1, 1)
    if (millis > limit && cpuMillis(run, text, 2, 1) > limit) {
      return `${millis.toFixed(0)} ms for ${length} characters, ${small.toFixed(3)} ms for 1000`
    }
    // What grew no faster than its text is not tried with a million characters, which would take most of the time. A
    // quadratic function took 39 times as long here, and would have to take less than 5 ms to be missed.
    if (length === 200_000 && millis < Math.max(5, generosity * before)) return null
    before = millis
  }
  return null
}

describe("the time that a text from outside takes", () => {
  it("is found to be quadratic where it is", () => {
    const quadratic: OnText = (text) => text.replaceAll(/\S*\d\S*/g, "#")
    assert.isNotNull(tooSlowAt(quadratic, "a"))
    const quadraticBackwards: OnText = (text) => text.replace(/\/+$/, "")
    assert.isNull(tooSlowAt(quadraticBackwards, "/"))
    assert.isNotNull(tooSlowAt((text) => quadraticBackwards(`${text}a`), "/"))
    const linear: OnText = (text) => text.replaceAll(/\S+/g, "#")
    assert.isNull(tooSlowAt(linear, "a"))
  })

  for (const [what, functions] of Object.entries({ rows, broker, logs, terminal, given })) {
    it(`grows with its length and no more: ${what}`, () => {
      const slow = Object.entries(functions).flatMap(([name, run]) =>
        fillings.flatMap((filling) => {
          const found = tooSlowAt(run, filling)
          return found === null ? [] : [`${name}, filled with ${JSON.stringify(filling)}: ${found}`]
        })
      )
      assert.deepStrictEqual(slow, [])
    })
  }
})
