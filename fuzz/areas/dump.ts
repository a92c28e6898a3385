import { BigDecimal, Effect, Result } from "effect"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { readInstrumentDump } from "../../src/broker/zerodha/instrumentDump.ts"
import { pureArea } from "../harness/pureArea.ts"
import { boundaryNumbers, hostileText, rawCharacterIn } from "../harness/texts.ts"

/** The text of an instrument list. */
export interface Dump {
  readonly csv: string
}

const header =
  "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange"

const line = (choices: SeededChoices, number: number): ReadonlyArray<string> => [
  `${1_000_000 + number}`,
  `${number}`,
  `SYM${number}`,
  choices.hits(0.2) ? '"NAME, WITH ""QUOTES"""' : `NAME ${number}`,
  choices.oneOf(["0", "1500.5", "0.05", ""]),
  choices.oneOf(["", "2026-11-26", "2027-01-28"]),
  "0",
  choices.oneOf(["0.05", "0.01", "1"]),
  choices.oneOf(["1", "75", "15"]),
  choices.oneOf(["EQ", "FUT", "CE"]),
  choices.oneOf(["NSE", "NFO-FUT"]),
  choices.oneOf(["NSE", "BSE", "NFO"])
]

const oddField = (choices: SeededChoices): string =>
  choices.oneOf([
    "",
    " ",
    "1e+06",
    "-1",
    "0",
    '"',
    '"open',
    "a,b",
    "2026-02-30",
    "9999-99-99",
    "99999999999999999999",
    String(choices.oneOf(boundaryNumbers)),
    hostileText(choices)
  ])

/** A list of up to a few hundred lines, each odd with a chance of its own; one in ten lists is damaged as a file is. */
const generate = (choices: SeededChoices): Dump => {
  const oddShare = choices.oneOf([0, 0.02, 0.5])
  const lines = Array.from({ length: choices.oneOf([0, 1, 3, 30, 300]) }, (_, number) => {
    const fields = line(choices, number)
    if (!choices.hits(oddShare)) return fields.join(",")
    const at = choices.whole(0, fields.length - 1)
    return choices.hits(0.1)
      ? hostileText(choices)
      : fields.map((field, index) => (index === at ? oddField(choices) : field)).join(",")
  })
  const first = choices.hits(0.05) ? hostileText(choices) : header
  const csv = `${[choices.hits(0.1) ? `\ufeff${first}` : first, ...lines].join(choices.hits(0.1) ? "\r\n" : "\n")}\n`
  if (!choices.hits(0.1)) return { csv }
  return { csv: choices.hits(0.5) ? csv.slice(0, choices.whole(0, csv.length)) : csv + csv }
}

/** Twelve values, each of which can only be read in one way. */
const plainLine =
  /^\d{7},\d+,(SYM\d+),NAME \d+,(?:0|1500\.5|0\.05|),(?:2026-11-26|2027-01-28|),0,0\.05,(?:1|75|15),(?:EQ|FUT|CE),(?:NSE|NFO-FUT),(NSE|BSE|NFO)$/

/** The instruments of plain lines that no other line may be for. */
const plainNames = (csv: string): ReadonlyArray<string> => {
  const lines = csv.split(/\r?\n/)
  const times = Map.groupBy(
    lines.flatMap((text) => text.match(/SYM\d+/g) ?? []),
    (symbol) => symbol
  )
  return lines.flatMap((text) => {
    const [, symbol = "", exchange = ""] = plainLine.exec(text) ?? []
    return symbol !== "" && times.get(symbol)?.length === 1 ? [`${exchange}:${symbol}`] : []
  })
}

/**
 * Instrument lists. Whatever is read must be what a plain line of the list says, because lots and ticks decide orders; what is
 * refused must be told in words that can be shown.
 */
export const dump = pureArea({
  name: "dump",
  weight: 0.5,
  generate,
  read: ({ csv }) => Effect.runSync(Effect.result(readInstrumentDump(csv))),
  verdict: ({ csv }, answer) => {
    if (Result.isFailure(answer)) {
      const { message } = answer.failure
      const odd = rawCharacterIn(message)
      if (odd !== null) return `the message has a raw ${odd}`
      return message.length > 5000 ? `the message has ${message.length} characters` : null
    }
    const lines = new Set(csv.split(/\r?\n/))
    for (const { instrument, lotSize, tickSize, token } of answer.success.instruments) {
      const symbol = instrument.slice(instrument.indexOf(":") + 1)
      const isTold = [...lines].some(
        (text) =>
          text.includes(symbol) &&
          text.includes(String(token)) &&
          text.includes(String(lotSize)) &&
          text.includes(BigDecimal.format(BigDecimal.normalize(tickSize)))
      )
      if (!isTold) return `${instrument} is in no line of the list as it was read`
      if (!(lotSize > 0) || !BigDecimal.isPositive(tickSize)) return `${instrument} has no lot or no tick`
    }
    const texts = answer.success.refused.map(({ problem }) => problem)
    const bad = texts.find((text) => rawCharacterIn(text) !== null || text.length > 1000)
    if (bad !== undefined) return `a problem cannot be shown: ${JSON.stringify(bad.slice(0, 200))}`
    const read = new Set<string>(answer.success.instruments.map(({ instrument }) => instrument))
    const missing = plainNames(csv).find((name) => !read.has(name))
    if (missing !== undefined) return `${missing} has a plain line, and is not read`
    return new Set(answer.success.instruments.map(({ instrument }) => instrument)).size ===
      answer.success.instruments.length
      ? null
      : "an instrument was read twice"
  }
})
