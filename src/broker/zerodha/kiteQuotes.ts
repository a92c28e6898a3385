import { Option, Result, Schema } from "effect"
import type { Instrument } from "../../domain/model/Order.ts"
import type { Quote } from "../../domain/model/Quote.ts"
import { decimal } from "./kiteOrders.ts"

const Answer = Schema.fromJsonString(
  Schema.Struct({ status: Schema.Literal("success"), data: Schema.Record(Schema.String, Schema.Unknown) })
)
const decodeAnswer = Schema.decodeUnknownResult(Answer)

/** The fields of a quote that are read. Indices have no volume. */
const Row = Schema.Struct({ last_price: Schema.Finite, volume: Schema.optionalKey(Schema.NullOr(Schema.Finite)) })
const decodeRow = Schema.decodeUnknownOption(Row)

/** The most instruments that one request may ask for. */
export const maxInstruments = 500

export const quotePath = (instruments: ReadonlyArray<Instrument>): string =>
  `/quote?${instruments.map((instrument) => `i=${encodeURIComponent(instrument)}`).join("&")}`

/**
 * The quotes in the body of GET /quote. An instrument that is unreadable or has not been traded yet is left out: no caller relies
 * on a quote being there.
 */
export const readQuotes = (
  body: string,
  instruments: ReadonlyArray<Instrument>
): Result.Result<ReadonlyArray<Quote>, string> =>
  Result.mapBoth(decodeAnswer(body), {
    onFailure: (error) => `the quotes cannot be read: ${error.message}`,
    onSuccess: ({ data }) =>
      instruments.flatMap((instrument) => {
        const row = Option.getOrNull(decodeRow(data[instrument]))
        if (row === null || row.last_price <= 0) return []
        return { instrument, lastPrice: decimal(row.last_price), dayVolume: wholeOrNull(row.volume) }
      })
  })

const wholeOrNull = (volume: number | null | undefined): number | null =>
  volume === null || volume === undefined || !Number.isSafeInteger(volume) || volume < 0 ? null : volume
