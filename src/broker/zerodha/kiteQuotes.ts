import { BigDecimal, Option, Result, Schema } from "effect"
import type { Instrument } from "../../domain/model/Order.ts"
import type { Quote } from "../../domain/model/Quote.ts"
import { excerpt } from "../../domain/text/excerpt.ts"
import { safe } from "../../domain/text/safe.ts"
import { fieldsOf, isFields, priceOf } from "./kiteFields.ts"
import { jsonReader } from "./kiteJson.ts"

const readData = jsonReader(Schema.Struct({ status: Schema.Literal("success"), data: Schema.Unknown }))

/** The most instruments that one request may ask for. */
export const maxInstruments = 500

export const quotePath = (instruments: ReadonlyArray<Instrument>): string =>
  `/quote?${instruments.map((instrument) => `i=${encodeURIComponent(instrument)}`).join("&")}`

/**
 * The quotes in the body of GET /quote. An instrument that is unreadable, has a price that cannot be, or has not been traded yet
 * is left out: no caller relies on a quote being there. Indices have no volume.
 */
export const readQuotes = (
  body: string,
  instruments: ReadonlyArray<Instrument>
): Result.Result<ReadonlyArray<Quote>, string> =>
  Option.match(
    Option.filter(readData(body), ({ data }) => isFields(data)),
    {
      onNone: () => Result.fail(`the quotes cannot be read: ${safe(excerpt(body, "an empty body"))}`),
      onSome: ({ data }) =>
        Result.succeed(
          instruments.flatMap((instrument) => {
            const { last_price, volume } = fieldsOf(fieldsOf(data)[instrument])
            const lastPrice = priceOf(last_price)
            if (lastPrice === null || !BigDecimal.isPositive(lastPrice)) return []
            return { instrument, lastPrice, dayVolume: isVolume(volume) ? volume : null }
          })
        )
    }
  )

const isVolume = Schema.is(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))
