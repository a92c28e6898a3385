import { Result, Schema, SchemaIssue } from "effect"
import { NewOrderId } from "../model/Ids.ts"
import { SplittableOrder } from "../model/Order.ts"
import { shortened } from "../text/shortened.ts"

/**
 * Validates an order row. The failure lists every problem by its column, in words for the author of the row:
 * `instrument: must look like EXCHANGE:SYMBOL in capitals, for example NSE:RELIANCE, not "reliance"`.
 */
export const validateOrder = (row: UntrustedOrder): Result.Result<SplittableOrder, string> => {
  const order = decodeOrder(row)
  return Result.mapError(order, () => problemsOf(row, order).join("; "))
}

/**
 * Validates an order row that has just arrived, as {@link validateOrder} does, and also its ids: later code takes them as they
 * are, in commands that it suggests to people and in every log line. An order that an earlier version has split keeps its id.
 */
export const validateArrival = (row: ArrivedOrder): Result.Result<SplittableOrder, string> => {
  const ids = decodeIds(row)
  const order = decodeOrder(row)
  if (Result.isSuccess(ids) && Result.isSuccess(order)) return Result.succeed(order.success)
  return Result.fail([...problemsOf(row, ids), ...problemsOf(row, order)].join("; "))
}

const problemsOf = (row: object, decoded: Result.Result<unknown, Schema.SchemaError>): ReadonlyArray<string> => {
  if (Result.isSuccess(decoded)) return []
  return listProblems(decoded.failure.issue).issues.map(({ message, path }) => {
    const key = String(path?.[0] ?? "")
    const value: unknown = Object.entries(row).find(([field]) => field === key)?.[1]
    const said = message.startsWith("is ") ? message : `${message}, not ${quoted(value)}`
    return `${columnOf(key)}: ${said}`
  })
}

/** The value of a column as JSON, cut where it is long: the reason is stored, logged and sent to people. */
const quoted = (value: unknown): string =>
  typeof value === "number" ? String(value) : shortened(JSON.stringify(value) ?? "nothing", 200)

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
  sessionPolicy: Schema.NullOr(Schema.String),
  algoId: Schema.NullOr(Schema.String)
})
export type UntrustedOrder = typeof UntrustedOrder.Type

/** An order that is to be split, with the ids of the request and the trace that led to it. */
export const ArrivedOrder = Schema.Struct({
  ...UntrustedOrder.fields,
  requestId: Schema.NullOr(Schema.String),
  originTraceId: Schema.NullOr(Schema.String)
})
export type ArrivedOrder = typeof ArrivedOrder.Type

const decodeOrder = Schema.decodeUnknownResult(SplittableOrder, { errors: "all" })

/** An id that another service gave a request or a trace. Each slice and each log line has it. */
const Reference = Schema.NullOr(
  Schema.String.check(
    Schema.isMaxLength(128, { message: "is longer than 128 characters" }),
    Schema.isPattern(/^[!-~]*$/, { message: "must be without spaces, control characters and letters beyond ASCII" })
  )
)
const decodeIds = Schema.decodeUnknownResult(
  Schema.Struct({ id: NewOrderId, requestId: Reference, originTraceId: Reference }),
  { errors: "all" }
)
