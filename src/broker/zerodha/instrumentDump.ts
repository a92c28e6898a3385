import { BigDecimal, DateTime, Duration, Effect, Option, type Redacted, Result, Schema } from "effect"
import { isDay } from "../../domain/market/indianTime.ts"
import type { InstrumentDetails } from "../../domain/market/InstrumentDetails.ts"
import type { BrokerLookupError } from "../../domain/model/BrokerError.ts"
import { Instrument } from "../../domain/model/Order.ts"
import { csvValues } from "../../domain/text/csv.ts"
import { excerpt } from "../../domain/text/excerpt.ts"
import { safe } from "../../domain/text/safe.ts"
import { lookupAnswer } from "./kiteAnswers.ts"
import { KiteClient } from "./KiteClient.ts"
import { cleanText } from "./kiteFields.ts"

/** The dump is invalid or cut off. No part of it must be used. */
export class InstrumentDumpInvalid extends Schema.TaggedError<InstrumentDumpInvalid>()("InstrumentDumpInvalid", {
  message: Schema.String,
  /** 1 is the line of column names; null if the problem is not in one line. */
  line: Schema.NullOr(Schema.Int)
}) {}

/** A line that cannot be read, though the rest of the dump can. */
export interface RefusedLine {
  /** 1 is the line of column names. */
  readonly line: number
  /** Null if the line does not tell it. */
  readonly instrument: string | null
  readonly problem: string
  /** The instruments that the line may be for. */
  readonly mayBe: ReadonlyArray<string>
}

export interface InstrumentDump {
  readonly instruments: ReadonlyArray<InstrumentDetails>
  /** The number of lines that no order can be for: indices, and symbols that an order cannot name. */
  readonly leftOut: number
  readonly refused: ReadonlyArray<RefusedLine>
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
/** The dump has about ten, unpacked. */
const maxMebibytes = 64

/** Downloads and reads the list of all instruments, about 100,000, that Zerodha publishes every morning. */
export const downloadInstruments = Effect.fnUntraced(function* (accessToken: Redacted.Redacted) {
  const client = yield* KiteClient
  const answer = yield* client.send({
    method: "GET",
    path: "/instruments",
    accessToken: Option.some(accessToken),
    timeout,
    maxMebibytes
  })
  const body: Result.Result<string, BrokerLookupError> = lookupAnswer(answer, yield* DateTime.now)
  if (Result.isFailure(body)) return yield* body.failure
  const { masked } = answer
  const dump = yield* Effect.mapError(
    readInstrumentDump(body.success),
    ({ line, message }) => new InstrumentDumpInvalid({ line, message: masked(message) })
  )
  return { ...dump, refused: dump.refused.map((line) => ({ ...line, problem: masked(line.problem) })) }
})

/**
 * With more unreadable lines than this share, the format has changed, and the dump is invalid. A new format spoils at least
 * every line of an exchange, and the smallest exchange has about one line in a hundred.
 */
const maxRefusedShare = 0.001
/** The length of a line, about. */
const meanLength = 80
/** Single odd lines do not tell of a new format in a short list either. */
const minRefused = 10

/** How many lines are read without a pause: about a millisecond. */
const linesAtOnce = 100

/**
 * Reads Kite's dump, a CSV with a line of column names. A line that cannot be read is refused and named, as are all lines of an
 * instrument that has several. A line of other names, a sign of a cut file, or more than a few unreadable lines make the whole
 * dump invalid. Pauses often, so that nothing else in the process waits for it.
 */
export const readInstrumentDump = (csv: string): Effect.Effect<InstrumentDump, InstrumentDumpInvalid> =>
  Effect.gen(function* () {
    const headEnd = endOfLine(csv, 0)
    const header = headerOf(lineOf(csv, 0, headEnd))
    if (typeof header === "string") return yield* invalid(1, header)
    const listed = new Map<string, { readonly line: number; readonly details: InstrumentDetails | null }>()
    const exchanges = new Set<string>()
    const refused: Array<Omit<RefusedLine, "mayBe"> & { readonly text: string }> = []
    const maxRefused = Math.max(minRefused, (csv.length / meanLength) * maxRefusedShare)
    const end = csv.trimEnd().length
    let leftOut = 0
    let line = 1
    for (let start = headEnd + 1; start < end; start = endOfLine(csv, start) + 1) {
      line += 1
      if (line % linesAtOnce === 0) yield* Effect.yieldNow
      const text = lineOf(csv, start, endOfLine(csv, start))
      const read = readLine(text, header)
      // A cut file may end anywhere, such as with NS for NSE.
      if (endOfLine(csv, start) === csv.length && (read._tag === "Bad" || !exchanges.has(read.exchange))) {
        return yield* invalid(line, `the file seems to be cut here: ${excerptOf(text)}`)
      }
      if (read._tag === "Bad") {
        refused.push({ line, text, ...read })
        if (refused.length > maxRefused) return yield* invalid(line, `${read.problem}; ${refused.length} lines are bad`)
        continue
      }
      exchanges.add(read.exchange)
      if (read.details === null) {
        leftOut += 1
        continue
      }
      const { instrument } = read.details
      const first = listed.get(instrument)
      if (first !== undefined) {
        refused.push({ line, text, instrument, problem: `${instrument} is in line ${first.line} already` })
        if (refused.length > maxRefused) return yield* invalid(line, `many are in it twice, such as ${instrument}`)
      }
      listed.set(instrument, first === undefined ? { line, details: read.details } : { ...first, details: null })
    }
    const instruments = [...listed.values()].flatMap(({ details }) => (details === null ? [] : [details]))
    if (instruments.length > 0) {
      return { instruments, leftOut, refused: refused.map((one) => refusedLine(one, exchanges)) }
    }
    return yield* new InstrumentDumpInvalid({ message: "The instrument dump has no instruments in it", line: null })
  })

const endOfLine = (csv: string, start: number): number => {
  const end = csv.indexOf("\n", start)
  return end === -1 ? csv.length : end
}

const lineOf = (csv: string, start: number, end: number): string =>
  csv.slice(start, csv[end - 1] === "\r" ? end - 1 : end)

type Line =
  | { readonly _tag: "Good"; readonly exchange: string; readonly details: InstrumentDetails | null }
  | { readonly _tag: "Bad"; readonly instrument: string | null; readonly problem: string }

const readLine = (text: string, header: Header): Line => {
  const values = text.length > maxLine ? null : csvValues(text)
  if (values === null || values.length !== header.count) {
    const problem = `it has not the ${header.count} values that the first line has names for: ${excerptOf(text)}`
    return { _tag: "Bad", instrument: null, problem }
  }
  const row = (column: Column) => values[header.position(column)]?.trim() ?? ""
  const name = `${row("exchange")}:${row("tradingsymbol")}`
  const details = detailsOf(name, row)
  return typeof details === "string"
    ? { _tag: "Bad", instrument: isInstrument(name) ? name : null, problem: `${details}: ${excerptOf(text)}` }
    : { _tag: "Good", exchange: row("exchange"), details }
}

/** A line without a readable name may be for any of the names that its values give. */
const refusedLine = (
  { line, text, instrument, problem }: Omit<RefusedLine, "mayBe"> & { readonly text: string },
  exchanges: ReadonlySet<string>
): RefusedLine => {
  if (instrument !== null) return { line, instrument, problem, mayBe: [instrument] }
  const values = text.slice(0, maxLine).split(/[",]/, maxValues)
  const names = values.flatMap((value) => [...exchanges].map((exchange) => `${exchange}:${value.trim()}`))
  return { line, instrument, problem, mayBe: names.filter((name) => isInstrument(name)) }
}

/** Longer lines, or lines with more values, are not lines of the dump. */
const maxLine = 1000
const maxValues = 40

/** The number of columns, and where each is. */
interface Header {
  readonly count: number
  readonly position: (column: Column) => number
}

/** The columns named by the first line, or what is wrong with it. */
const headerOf = (text: string): Header | string => {
  // A byte order mark may precede the first name.
  const names = (csvValues(text.slice(0, maxLine).replace(/^\uFEFF/, "")) ?? []).map((name) => name.trim())
  const missing = columns.filter((column) => !names.includes(column))
  return missing.length > 0
    ? `there is no column ${missing.join(", ")}: ${excerptOf(text)}`
    : { count: names.length, position: (column) => names.indexOf(column) }
}

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
    name: cleanText(row("name"), maxText),
    lotSize,
    tickSize,
    instrumentType: cleanText(row("instrument_type"), maxText),
    segment: cleanText(row("segment"), maxText),
    expiry,
    lastPrice: BigDecimal.isZero(lastPrice) ? null : lastPrice,
    token
  }
}

const maxText = 200

/** A whole number of up to 15 digits, also written as `75.0`. */
const wholeNumber = (text: string): number | null => (/^\d{1,15}(\.0*)?$/.test(text) ? Number(text) : null)

/** A plain decimal, at most 15 digits before the point and 10 after it: the database's range. */
const decimal = (text: string): BigDecimal.BigDecimal | null =>
  /^\d{1,15}(\.\d{0,10})?$/.test(text)
    ? BigDecimal.normalize(BigDecimal.fromStringUnsafe(text.replace(/\.$/, "")))
    : null

const invalid = (line: number, what: string): Effect.Effect<never, InstrumentDumpInvalid> =>
  Effect.fail(new InstrumentDumpInvalid({ message: `Line ${line} of the instrument dump is bad: ${what}`, line }))

/** The start of a line, short and safe enough for a message. */
const excerptOf = (text: string): string => safe(excerpt(text, "it is empty"))
