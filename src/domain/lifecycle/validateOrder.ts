import { Result, Schema, SchemaIssue } from "effect"
import { SplittableOrder } from "../model/Order.ts"
import { shortened } from "../text/shortened.ts"

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
        const said = message.startsWith("is ") ? message : `${message}, not ${quoted(value)}`
        return `${columnOf(key)}: ${said}`
      })
      .join("; ")
  )

/** The value of a column as JSON, cut where it is long: the reason is stored, logged and sent to people. */
const quoted = (value: unknown): string => shortened(JSON.stringify(value) ?? "nothing", 200)

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

/** The most characters of an id that another service gave a request or a trace: each slice and each log line has it. */
const maxReferenceLength = 128

/** Validates the ids that lead from an order to the request that made it. The failure lists the columns that are too long. */
export const validateReferences = (references: {
  readonly requestId: string | null
  readonly originTraceId: string | null
}): Result.Result<void, string> => {
  const problems = Object.entries(references)
    .filter(([, id]) => (id?.length ?? 0) > maxReferenceLength)
    .map(([field]) => `${columnOf(field)}: is longer than ${maxReferenceLength} characters`)
  return problems.length === 0 ? Result.void : Result.fail(problems.join("; "))
}
