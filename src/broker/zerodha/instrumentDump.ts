import { BigDecimal, DateTime, Duration, Effect, Option, type Redacted, Result, Schema } from "effect"
import type { InstrumentDetails } from "../../domain/market/InstrumentDetails.ts"
import type { BrokerLookupError } from "../../domain/model/BrokerError.ts"
import { Instrument } from "../../domain/model/Order.ts"
import { excerpt } from "../../domain/text/excerpt.ts"
import { lookupAnswer } from "./kiteAnswers.ts"
import { KiteClient } from "./KiteClient.ts"

/** The dump is invalid or cut off. No part of it must be used. */
export class InstrumentDumpInvalid extends Schema.TaggedError<InstrumentDumpInvalid>()("InstrumentDumpInvalid", {
  message: Schema.String,
  /** 1 is the line of column names; null if the problem is not in one line. */
  line: Schema.NullOr(Schema.Int)
}) {}

export interface InstrumentDump {
  readonly instruments: ReadonlyArray<InstrumentDetails>
  /** The number of lines that no order can be for: indices, and symbols that an order cannot name. */
  readonly leftOut: number
}

/** The columns that are read; their order does not matter, and others may be present. */
const columns = [
  "instrument_token",
  "tradingsymbol",
  "name",
  "last_price",
  "expiry",
  "tick_size",
  "lot_size",
  "instrument_type",
  "segment",
  "exchange"
] as const
type Column = (typeof columns)[number]

const timeout = Duration.minutes(2)

/** Downloads and reads the list of all instruments, about 100,000, that Zerodha publishes every morning. */
export const downloadInstruments = Effect.fnUntraced(function* (accessToken: Redacted.Redacted) {
  const client = yield* KiteClient
  const answer = yield* client.send({
    method: "GET",
    path: "/instruments",
    accessToken: Option.some(accessToken),
    timeout
  })
  const body: Result.Result<string, BrokerLookupError> = lookupAnswer(answer, yield* DateTime.now)
  if (Result.isFailure(body)) return yield* body.failure
  return yield* Effect.fromResult(parseInstrumentDump(body.success))
})

/**
 * Reads Kite's dump, a CSV with a line of column names. One unreadable line or a sign of a cut file makes the whole dump
 * invalid.
 */
export const parseInstrumentDump = (csv: string): Result.Result<InstrumentDump, InstrumentDumpInvalid> => {
  const lines = csv.split(/\r?\n/)
  const isWhole = lines.at(-1) === ""
  while (lines.at(-1) === "") lines.pop()
  const header = headerOf(lines[0] ?? "")
  if (typeof header === "string") return invalid(1, header)

  const instruments: Array<InstrumentDetails> = []
  const seen = new Map<string, number>()
  const exchanges = new Set<string>()
  let leftOut = 0
  for (const [index, text] of lines.entries()) {
    if (index === 0) continue
    const line = index + 1
    const values = valuesOf(text)
    if (values === null || values.length !== header.count) {
      return invalid(
        line,
        `it has not the ${header.count} values that the first line has names for: ${excerptOf(text)}`
      )
    }
    const row = (column: Column) => values[header.position(column)]?.trim() ?? ""
    const name = `${row("exchange")}:${row("tradingsymbol")}`
    // A cut file may end anywhere, such as with NS for NSE.
    if (index === lines.length - 1 && !isWhole && !exchanges.has(row("exchange"))) {
      return invalid(line, `the file seems to be cut here: ${excerptOf(text)}`)
    }
    exchanges.add(row("exchange"))
    const details = detailsOf(name, row)
    if (typeof details === "string") return invalid(line, `${details}: ${excerptOf(text)}`)
    if (details === null) {
      leftOut += 1
      continue
    }
    const first = seen.get(name)
    if (first !== undefined) return invalid(line, `${name} is in line ${first} already`)
    seen.set(name, line)
    instruments.push(details)
  }
  return instruments.length === 0
    ? Result.fail(new InstrumentDumpInvalid({ message: "The instrument dump has no instruments in it", line: null }))
    : Result.succeed({ instruments, leftOut })
}

/** The number of columns, and where each is. */
interface Header {
  readonly count: number
  readonly position: (column: Column) => number
}

/** The columns named by the first line, or what is wrong with it. */
const headerOf = (text: string): Header | string => {
  // A byte order mark may precede the first name.
  const names = (valuesOf(text.replace(/^\uFEFF/, "")) ?? []).map((name) => name.trim())
  const missing = columns.filter((column) => !names.includes(column))
  return missing.length > 0
    ? `there is no column ${missing.join(", ")}: ${excerptOf(text)}`
    : { count: names.length, position: (column) => names.indexOf(column) }
}

/** A line's values; null if its quotes do not match. */
const valuesOf = (text: string): ReadonlyArray<string> | null => {
  if (!text.includes('"')) return text.split(",")
  if (!wellQuoted.test(text)) return null
  return [...text.matchAll(oneValue)].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "")
}

const wellQuoted = /^(?:"(?:[^"]|"")*"|(?!")[^,]*)(?:,(?:"(?:[^"]|"")*"|(?!")[^,]*))*$/
const oneValue = /(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g

const isInstrument = Schema.is(Instrument)

/** The instrument of a line; null if no order can be for it, and a text if the line cannot be read. */
const detailsOf = (instrument: string, row: (column: Column) => string): InstrumentDetails | string | null => {
  const token = wholeNumber(row("instrument_token"))
  if (token === null) return "instrument_token is no whole number"
  const lotSize = wholeNumber(row("lot_size"))
  if (lotSize === null || lotSize > 2_147_483_647) return "lot_size is no whole number"
  const tickSize = decimal(row("tick_size"))
  if (tickSize === null) return "tick_size is no number"
  const lastPrice = row("last_price") === "" ? BigDecimal.make(0n, 0) : decimal(row("last_price"))
  if (lastPrice === null) return "last_price is no number"
  const expiry = row("expiry") === "" ? null : row("expiry")
  if (expiry !== null && !isDay(expiry)) return "expiry is no day like 2026-11-24"
  if (row("exchange") === "" || row("tradingsymbol") === "") return "exchange or tradingsymbol is empty"
  // An index has neither lots nor ticks, and its name may contain spaces.
  const isTraded = row("segment") !== "INDICES" && lotSize > 0 && BigDecimal.isPositive(tickSize)
  if (!isTraded || !isInstrument(instrument)) return null
  return {
    instrument,
    name: row("name"),
    lotSize,
    tickSize,
    instrumentType: row("instrument_type"),
    segment: row("segment"),
    expiry,
    lastPrice: BigDecimal.isZero(lastPrice) ? null : lastPrice,
    token
  }
}

/** A whole number of up to 15 digits, also written as `75.0`. */
const wholeNumber = (text: string): number | null => (/^\d{1,15}(\.0*)?$/.test(text) ? Number(text) : null)

/** A plain decimal, at most 15 digits before the point and 10 after it: the database's range. */
const decimal = (text: string): BigDecimal.BigDecimal | null =>
  /^\d{1,15}(\.\d{0,10})?$/.test(text)
    ? BigDecimal.normalize(BigDecimal.fromStringUnsafe(text.replace(/\.$/, "")))
    : null

const isDay = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) &&
  Option.exists(DateTime.make(`${text}T00:00:00Z`), (day) => DateTime.formatIsoDateUtc(day) === text)

const invalid = (line: number, what: string): Result.Result<never, InstrumentDumpInvalid> =>
  Result.fail(new InstrumentDumpInvalid({ message: `Line ${line} of the instrument dump is bad: ${what}`, line }))

/** The start of a line, short enough for a message. */
const excerptOf = (text: string): string => excerpt(text, "it is empty")
