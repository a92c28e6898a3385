import { BigDecimal, Result } from "effect"
import { readQuotes } from "../../src/broker/zerodha/kiteQuotes.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import { damaged, withOddPart } from "../harness/json.ts"
import { pureArea } from "../harness/pureArea.ts"
import { hostileText, rawCharacterIn } from "../harness/texts.ts"

/** The body of an answer to GET /quote. */
export interface QuotesBody {
  readonly body: string
}

const asked = ["NSE:INFY", "NSE:RELIANCE", "BSE:SBIN"].map((name) => Instrument.make(name))

/** Quotes: whatever the body says, only what was asked for, and only prices above 0. */
export const quotes = pureArea({
  name: "quotes",
  generate: (choices): QuotesBody => {
    const row = () => ({
      instrument_token: 1,
      last_price: choices.whole(1, 500_000) / 100,
      volume: choices.whole(0, 1e7)
    })
    const names = [...asked, choices.hits(0.2) ? hostileText(choices, { max: 300 }) : "NSE:OTHER"]
    const plain = { status: "success", data: Object.fromEntries(names.map((name) => [name, row()])) }
    const text = JSON.stringify(choices.hits(0.7) ? withOddPart(choices, plain) : plain) ?? ""
    return { body: choices.hits(0.25) ? damaged(choices, text) : text }
  },
  read: ({ body }) => readQuotes(body, asked),
  verdict: (_, answer) => {
    if (Result.isFailure(answer)) {
      const odd = rawCharacterIn(answer.failure)
      if (odd !== null) return `the problem has a raw ${odd}`
      return answer.failure.length > 2000 ? `the problem has ${answer.failure.length} characters` : null
    }
    for (const { instrument, lastPrice, dayVolume } of answer.success) {
      if (!asked.includes(instrument)) return "a quote was not asked for"
      if (!BigDecimal.isPositive(lastPrice)) return "a price is not above 0"
      if (BigDecimal.isGreaterThan(lastPrice, maxPrice)) return "a price is larger than any price"
      if (dayVolume !== null && !(Number.isSafeInteger(dayVolume) && dayVolume >= 0)) return "a volume cannot be stored"
    }
    return null
  }
})

/** What the database can hold of a price: eleven digits. */
const maxPrice = BigDecimal.fromStringUnsafe("99999999999.9999")
