import { Result, Schema, SchemaIssue } from "effect"
import { SplittableOrder } from "../model/Order.ts"

/**
 * Validates an order row. The failure lists every problem by its column, in words for the author of the row:
 * `instrument: must look like EXCHANGE:SYMBOL in capitals, for example NSE:RELIANCE, not "reliance"`.
 */
export const validateOrder = (row: UntrustedOrder): Result.Result<SplittableOrder, string> =>
  Result.mapError(decode(row), (error) =>
    listProblems(error.issue)
      .issues.map(({ message, path }) => {
        const key = String(path?.[0] ?? "")
        const value = Object.entries(row).find(([field]) => field === key)?.[1]
        const said = message.startsWith("is ") ? message : `${message}, not ${JSON.stringify(value)}`
        return `${columnOf(key)}: ${said}`
      })
      .join("; ")
  )

const columnOf = (field: string): string => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const listProblems = SchemaIssue.makeFormatterStandardSchemaV1()

/** An order as another service wrote it. */
export const UntrustedOrder = Schema.Struct({
  id: Schema.String,
  instrument: Schema.NullOr(Schema.String),
  side: Schema.NullOr(Schema.String),
  totalQuantity: Schema.NullOr(Schema.Number),
  numSplits: Schema.NullOr(Schema.Number),
  durationMinutes: Schema.NullOr(Schema.Number),
  randomize: Schema.NullOr(Schema.Boolean),
  strategy: Schema.NullOr(Schema.String),
  riskAversion: Schema.NullOr(Schema.Number),
  weights: Schema.Unknown,
  planSeed: Schema.NullOr(Schema.String),
  orderType: Schema.NullOr(Schema.String),
  limitPrice: Schema.NullOr(Schema.String),
  productType: Schema.NullOr(Schema.String),
  validity: Schema.NullOr(Schema.String),
  latenessPolicy: Schema.NullOr(Schema.String),
  maxLatenessSeconds: Schema.NullOr(Schema.Number),
  cancelUnfilledAfterSeconds: Schema.NullOr(Schema.Number),
  carryUnfilled: Schema.NullOr(Schema.Boolean),
  carryRejected: Schema.NullOr(Schema.Boolean),
  completion: Schema.NullOr(Schema.String),
  sessionPolicy: Schema.NullOr(Schema.String)
})
export type UntrustedOrder = typeof UntrustedOrder.Type

const decode = Schema.decodeUnknownResult(SplittableOrder, { errors: "all" })
