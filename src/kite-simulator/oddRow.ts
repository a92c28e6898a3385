import { Option, Schema, Struct } from "effect"
import type { Fault } from "./Faults.ts"
import { type Reply, success } from "./reply.ts"

const Row = Schema.Record(Schema.String, Schema.Unknown)
type Row = typeof Row.Type
const readRows = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ data: Schema.Array(Schema.Unknown) }))
)

/** The ways of being odd: the rows in place of a row of orders or trades. */
const oddities: ReadonlyArray<(row: Row) => ReadonlyArray<unknown>> = [
  (row) => [{ ...row, [quantityOf(row)]: 3_000_000_000 }],
  (row) => [{ ...row, [quantityOf(row)]: -1 }],
  (row) => [Struct.omit(row, [quantityOf(row)])],
  (row) => [{ ...row, average_price: 1e300 }],
  (row) => [{ ...row, average_price: "NaN" }],
  (row) => [{ ...row, order_id: "'; DROP TABLE" }],
  (row) => [{ ...row, status: 17, quantity: null }],
  (row) => [{ ...row, tag: 5, tags: { tags: row["tags"] } }],
  (row) => [row, { ...row, order_id: "7", tag: 5, tags: {}, guid: "" }],
  (row) => [row, "not a row", null, { order_id: 26 }]
]

const quantityOf = (row: Row): string => ("filled_quantity" in row ? "filled_quantity" : "quantity")

/** A list in which one row cannot be read; which row, and what is wrong with it, is decided by the fault. */
export const withOddRow = (whole: Reply, { severity, variation }: Fault): Reply => {
  const rows: ReadonlyArray<unknown> = Option.match(readRows(whole.body), {
    onNone: () => [],
    onSome: ({ data }) => data
  })
  const place = Math.floor(severity * rows.length)
  const oddity = oddities[Math.floor(variation * oddities.length)]
  const row = rows[place]
  return oddity === undefined || !isRow(row) ? whole : success(rows.toSpliced(place, 1, ...oddity(row)))
}

const isRow = Schema.is(Row)
