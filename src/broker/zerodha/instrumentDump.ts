import { BigDecimal, DateTime, Duration, Effect, Option, type Redacted, Result, Schema } from "effect"
import type { InstrumentDetails } from "../../domain/market/InstrumentDetails.ts"
import type { BrokerLookupError } from "../../domain/model/BrokerError.ts"
import { Instrument } from "../../domain/model/Order.ts"
import { excerpt } from "../../domain/text/excerpt.ts"
import { lookupAnswer } from "./kiteAnswers.ts"
import { KiteClient } from "./KiteClient.ts"

/** A dump that is not one, or not whole. Nothing of it must be used. */
export class InstrumentDumpInvalid extends Schema.TaggedError<InstrumentDumpInvalid>()("InstrumentDumpInvalid", {
  message: Schema.String,
  /** 1 is the line of column names; null when it is not about one line. */
  line: Schema.NullOr(Schema.Int)
}) {}

export interface InstrumentDump {
  readonly instruments: ReadonlyArray<InstrumentDetails>
  /** How many lines are about what no order can be for: indices, and symbols that an order cannot have. */
  readonly leftOut: number
}

/** The columns that are used; their order does not matter, and there may be others. */
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

/** Gets and reads the list of all instruments, some 100,000, that Zerodha makes every morning. */
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
 * Reads Kite's dump, CSV with a line of column names. All or nothing: one line that cannot be read, or the signs of a cut
 * file, refuse the whole.
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
    // The last line could end anywhere: NS for NSE.
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

/** The columns of the first line, or what is wrong with it. */
const headerOf = (text: string): Header | string => {
  // Some write a byte order mark before the first name.
  const names = (valuesOf(text.replace(/^\uFEFF/, "")) ?? []).map((name) => name.trim())
  const missing = columns.filter((column) => !names.includes(column))
  return missing.length > 0
    ? `there is no column ${missing.join(", ")}: ${excerptOf(text)}`
    : { count: names.length, position: (column) => names.indexOf(column) }
}

/** A line's values; null when its quotes make no sense. */
const valuesOf = (text: string): ReadonlyArray<string> | null => {
  if (!text.includes('"')) return text.split(",")
  if (!wellQuoted.test(text)) return null
  return [...text.matchAll(oneValue)].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "")
}

const wellQuoted = /^(?:"(?:[^"]|"")*"|(?!")[^,]*)(?:,(?:"(?:[^"]|"")*"|(?!")[^,]*))*$/
const oneValue = /(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g

const isInstrument = Schema.is(Instrument)

/** What a line says of an instrument; null when no order can be for it, and a text when it cannot be read. */
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
  // An index has neither lots nor ticks, and names with spaces in them.
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

/** Up to 15 digits; `75.0` is one too. */
const wholeNumber = (text: string): number | null => (/^\d{1,15}(\.0*)?$/.test(text) ? Number(text) : null)

/** Plain digits, at most 15 before the point and 10 behind: what the database has room for. */
const decimal = (text: string): BigDecimal.BigDecimal | null =>
  /^\d{1,15}(\.\d{0,10})?$/.test(text)
    ? BigDecimal.normalize(BigDecimal.fromStringUnsafe(text.replace(/\.$/, "")))
    : null

const isDay = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) &&
  Option.exists(DateTime.make(`${text}T00:00:00Z`), (day) => DateTime.formatIsoDateUtc(day) === text)

const invalid = (line: number, what: string): Result.Result<never, InstrumentDumpInvalid> =>
  Result.fail(new InstrumentDumpInvalid({ message: `Line ${line} of the instrument dump is bad: ${what}`, line }))

/** So much of a line as fits into a message. */
const excerptOf = (text: string): string => excerpt(text, "it is empty")
