import { DateTime, Result, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"
import type { DecodeValues } from "../../db/decodeRows.ts"
import { SliceId, Tag } from "../../domain/model/Ids.ts"
import { MarketFacts, unknownFacts } from "../../domain/model/MarketFacts.ts"
import {
  type ClaimedSlice,
  ClaimVersion,
  sequenceNumberOf,
  SliceFacts,
  SliceKey
} from "../../domain/model/OrderSlice.ts"

/** The columns of a claimed slice, in the order of {@link ClaimedRow}. */
export const columnNames = [
  "key",
  "id",
  "tag",
  "quantity",
  "claimVersion",
  "attempts",
  "dueSeconds",
  "notAfterSeconds",
  "scheduledSeconds",
  "facts",
  "market"
]

/** What the market's limits need to know of a slice: of its instrument, and the instrument list's price if it has no other. */
const Market = Schema.Struct({ ...MarketFacts.fields, listPrice: Schema.NullOr(Schema.BigDecimalFromString) })
const unknownMarket: typeof Market.Type = { ...unknownFacts, listPrice: null }

const ClaimedRow = Schema.Tuple([
  SliceKey,
  SliceId,
  Tag,
  Schema.Int,
  ClaimVersion,
  Schema.Int,
  Schema.Finite,
  Schema.Finite,
  Schema.NullOr(Schema.Finite),
  Schema.String,
  Schema.NullOr(Schema.fromJsonString(Market))
])
type ClaimedRow = typeof ClaimedRow.Type

/** SliceFacts as `slice_queue.facts` has them: JSON, under the names of columns. */
const StoredFacts = Schema.fromJsonString(
  SliceFacts.pipe(
    Schema.encodeKeys({
      orderId: "order_id",
      requestId: "request_id",
      traceId: "trace_id",
      orderType: "order_type",
      limitPrice: "limit_price",
      productType: "product_type",
      referencePrice: "reference_price",
      algoId: "algo_id"
    })
  )
)
/** How many texts of facts are remembered. */
const keptFacts = 10_000

/**
 * The columns of claimed slices, `q`, for a RETURNING. Times are seconds since 1970: PostgreSQL gives them without reckoning with
 * decimals, and as a double they are exact to the microsecond. `market` is the JSON of the market's facts, or NULL.
 */
export const claimedColumns = (sql: Sql, market: Fragment): Fragment => sql`
  q.slice::float8, coalesce(q.id, (SELECT id FROM slice_plan p WHERE p.slice = q.slice)), q.tag, q.quantity, q.version, q.attempts,
  date_part('epoch', q.due_at), date_part('epoch', q.not_after), date_part('epoch', q.scheduled_at), q.facts, ${market}`

/** Makes the function that reads claimed slices; their lease ends at `leaseExpiresAt`. */
export const makeDecodeClaimed = (): ((leaseExpiresAt: DateTime.Utc) => DecodeValues<ClaimedSlice>) => {
  const decodeRow = Schema.decodeUnknownResult(ClaimedRow)
  const factsOf = makeFactsOf()
  return (leaseExpiresAt) => {
    const leaseExpiresMillis = DateTime.toEpochMillis(leaseExpiresAt)
    return (values) =>
      Result.flatMap(decodeRow(values), (row) =>
        Result.map(factsOf(row[9]), (facts) => claimedSlice(row, facts, leaseExpiresMillis))
      )
  }
}

/** The slices of an order have the same facts, so their text is read once. */
const makeFactsOf = () => {
  const decode = Schema.decodeUnknownResult(StoredFacts)
  const known = new Map<string, ReturnType<typeof decode>>()
  return (text: string) => {
    const before = known.get(text)
    if (before !== undefined) return before
    if (known.size === keptFacts) known.clear()
    const facts = decode(text)
    known.set(text, facts)
    return facts
  }
}

const claimedSlice = (
  [key, id, tag, quantity, claimVersion, attempts, dueSeconds, notAfterSeconds, scheduledSeconds, , market]: ClaimedRow,
  facts: SliceFacts,
  leaseExpiresMillis: number
): ClaimedSlice => {
  const { listPrice, ...marketFacts } = market ?? unknownMarket
  return {
    ...facts,
    ...marketFacts,
    referencePrice: facts.referencePrice ?? listPrice,
    key,
    id,
    tag,
    sequenceNumber: sequenceNumberOf(key),
    quantity,
    claimVersion,
    attempts,
    notBeforeMillis: millisOf(dueSeconds),
    notAfterMillis: Math.floor(millisOf(notAfterSeconds)),
    leaseExpiresMillis,
    scheduledMillis: millisOf(scheduledSeconds ?? dueSeconds)
  }
}

/** Exact to the microsecond. */
const millisOf = (seconds: number): number => Math.round(seconds * 1e6) / 1000
