import { Effect, Result, Schema } from "effect"
import { version } from "../version.ts"
import { DbError } from "./DbError.ts"

export type Row = Readonly<Record<string, unknown>>

/** A schema that decodes without services. */
export type RowSchema = Schema.Top & { readonly DecodingServices: never }

/** Rows decoded without a pause: a few tenths of a millisecond. */
const rowsAtOnce = 16

/** Each row decoded, its column names in camelCase, or why it cannot be read. */
export const decodeRows = <S extends RowSchema>(operation: string, row: S, rows: ReadonlyArray<Row>) => {
  const decode = Schema.decodeUnknownResult(row)
  const rename = camelCased(rows[0])
  return decodeEach(rows, (found) => {
    const raw = rename(found)
    return Result.mapError(decode(raw), (error) => unreadable(operation, raw, error))
  })
}

/** Reads the values of a row. */
export type DecodeValues<A> = (values: ReadonlyArray<unknown>) => Result.Result<A, Schema.SchemaError>

/** Each row read by `decode`, or why it cannot be. `columns` names its values in camelCase. */
export const decodeValues = <A>(
  operation: string,
  columns: ReadonlyArray<string>,
  decode: DecodeValues<A>,
  rows: ReadonlyArray<ReadonlyArray<unknown>>
) =>
  decodeEach(rows, (values) =>
    Result.mapError(decode(values), (error) => {
      const named = columns.map((name, index) => [name, values[index]] as const)
      return unreadable(operation, Object.fromEntries(named), error)
    })
  )

const decodeEach = Effect.fnUntraced(function* <Raw, A>(
  rows: ReadonlyArray<Raw>,
  decode: (row: Raw) => Result.Result<A, DbError>
) {
  const results: Array<Result.Result<A, DbError>> = []
  for (const row of rows) {
    results.push(decode(row))
    // A slice may become due while many rows are decoded.
    if (results.length % rowsAtOnce === 0) yield* Effect.yieldNow
  }
  return results
})

/** Names the row by its ids; its other columns do not belong in a log. */
const unreadable = (operation: string, raw: Row, { message }: Schema.SchemaError): DbError => {
  const names = Object.entries(raw).flatMap(([column, value]) =>
    rowNames.has(column) && typeof value === "string" ? [`${column} ${value}`] : []
  )
  return new DbError({
    operation,
    message:
      `${operation}: the database holds a row that version ${version} cannot read` +
      `${names.length === 0 ? "" : ` (${names.join(", ")})`}: ${message}`,
    isTransient: false,
    sqlState: null
  })
}

const rowNames: ReadonlySet<string> = new Set(["id", "orderId", "instrument", "tag", "instanceId"])

/** Renames the columns of rows to camelCase. All rows have the columns of the first. */
const camelCased = (first: Row = {}): ((row: Row) => Row) => {
  const columns = Object.keys(first).map((name) => [name, snakeToCamel(name)] as const)
  return (row) => {
    const renamed: Record<string, unknown> = {}
    for (const [name, camel] of columns) renamed[camel] = row[name]
    return renamed
  }
}

const snakeToCamel = (name: string): string => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
