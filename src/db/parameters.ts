import { array, OID } from "@effect/sql-pg/PgTypes"
import { BigDecimal, DateTime, Duration, Result } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Statement } from "effect/sql/Statement"

/** The NOTIFY channel of the service; the payload is a topic of `Wakeups`. */
export const channel = "pulse_background"

/** An instant as a statement's parameter. */
export const instant = (at: DateTime.Utc): Date => DateTime.toDateUtc(at)

/** A duration as a statement's parameter, in milliseconds. */
export const durationMillis = (duration: Duration.Duration): number => Duration.toMillis(duration)

/**
 * Columns of values as array parameters, for `unnest`. Each states its type, because the driver infers an array's type from
 * its first value and an array may be empty.
 */
const column =
  <A>(elementOid: number, encode: (value: A) => unknown) =>
  (values: ReadonlyArray<A | null>) =>
    Result.getOrThrow(
      array(
        values.map((value) => (value === null ? null : encode(value))),
        elementOid
      )
    )

const asIs = <A>(value: A): unknown => value

/** PostgreSQL's text cannot hold U+0000; a broker's message might. */
const withoutNul = (text: string): string => (text.includes("\u0000") ? text.replaceAll("\u0000", "\uFFFD") : text)

/**
 * The statement without U+0000 in its plain text parameters, so that no row and no message is lost over one. Arrays are
 * made without it by the columns below; the driver itself replaces unpaired surrogates.
 */
export const storable = <A extends object>(sql: SqlClient, statement: Statement<A>): Statement<A> => {
  const [text, parameters] = statement.compile()
  return parameters.some((value) => typeof value === "string" && value.includes("\u0000"))
    ? sql.unsafe(
        text,
        parameters.map((value) => (typeof value === "string" ? withoutNul(value) : value))
      )
    : statement
}

/** jsonb can hold neither NUL nor unpaired surrogates. JSON.stringify writes both as escapes, in keys too. */
const jsonWithoutNul = (value: unknown): unknown => {
  const text = JSON.stringify(value)
  return /\\u(?:0000|d[89a-f])/.test(text)
    ? JSON.parse(text.replaceAll(/(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g, "$1\\ufffd"))
    : value
}

export const texts = column<string>(OID.text, withoutNul)
export const integers = column<number>(OID.int4, asIs)
export const numbers = column<number>(OID.float8, asIs)
export const booleans = column<boolean>(OID.bool, asIs)
export const instants = column<DateTime.Utc>(OID.timestamptz, instant)
export const decimals = column<BigDecimal.BigDecimal>(OID.numeric, BigDecimal.format)
export const jsons = column<Readonly<Record<string, unknown>> | ReadonlyArray<unknown>>(OID.jsonb, jsonWithoutNul)
