import { Context, DateTime, Duration, Effect, Layer, Option, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { Db, type Sql } from "../../db/Db.ts"
import { DbError } from "../../db/DbError.ts"
import { durationMillis, instant } from "../../db/parameters.ts"
import { type RequestKind, requestShare } from "../../domain/limits/requestShares.ts"
import { requestsOfDay } from "../sql/requestsOfDay.ts"

/** The number of requests that a broker account may send, counted over all replicas. */
export interface BudgetLimits {
  readonly perSecond: number
  readonly perMinute: number
  readonly perDay: number
  /** How much more one request may be delayed on its way than another, which brings their arrivals closer together. */
  readonly margin: Duration.Duration
}

/** The limits for one kind of request, which has a share of the day's. */
export interface RequestLimits extends BudgetLimits {
  readonly kind: RequestKind
}

/** A stricter limit for requests that leave room for others. */
export interface Pace {
  /** The least time between this request and the one before. */
  readonly gap: Duration.Duration
  readonly perMinute: number
}

/** A request may leave at `atMillis` (since 1970), or the budget does not allow one by the latest moment asked for. */
export type Reservation =
  | { readonly _tag: "Granted"; readonly atMillis: number }
  | { readonly _tag: "TooLate"; readonly possibleAt: DateTime.Utc }
  | { readonly _tag: "DayIsFull"; readonly until: DateTime.Utc }

const Granted = Schema.Struct({ atMillis: Schema.Finite })
const Refused = Schema.Struct({
  possibleAt: Schema.DateTimeUtcFromDate,
  /** Null unless the day's requests are used up. */
  fullUntil: Schema.NullOr(Schema.DateTimeUtcFromDate)
})

/**
 * The order requests that a broker account may send, shared by all replicas: one row for each broker holds the requests of
 * the last minute, and counts those of the day by kind. The row's lock makes every limit one for all replicas. A granted request counts, whether
 * it is sent or not. Called by the broker's rate limit before each request, and by planning for the day's requests.
 */
export class OrderBudget extends Context.Service<
  OrderBudget,
  {
    /**
     * Reserves the earliest moment from `from` to `latest` at which one more request is within every limit, within the share
     * of its kind in the day's requests, and within a pace.
     */
    readonly reserve: (
      broker: string,
      limits: RequestLimits,
      from: DateTime.Utc,
      latest: DateTime.Utc,
      pace?: Pace
    ) => Effect.Effect<Reservation, DbError>
    /**
     * How many of the requests that placements may use on a day in India (YYYY-MM-DD) are used or planned: those granted on it,
     * and the slices still to be sent on it, without those of the order `except`. Slices are counted up to `perDay`, the
     * account's requests of a day.
     */
    readonly committedRequests: (
      broker: string,
      day: string,
      perDay: number,
      except?: string
    ) => Effect.Effect<number, DbError>
    /** Grants no request before `until`. */
    readonly block: (broker: string, until: DateTime.Utc) => Effect.Effect<void, DbError>
    /**
     * Grants no request of this kind before `until`, because the broker said to one that the day's requests are used up. Placements
     * and cancels are capped apart: the broker may count only one of them.
     */
    readonly cap: (broker: string, kind: RequestKind, until: DateTime.Utc) => Effect.Effect<void, DbError>
  }
>()("pulse-background/OrderBudget") {
  static readonly layer: Layer.Layer<OrderBudget, never, Db> = Layer.effect(
    OrderBudget,
    Effect.map(Db, (db) =>
      OrderBudget.of({
        reserve: reserve(db),
        committedRequests: committedRequests(db),
        block: block(db),
        cap: cap(db)
      })
    )
  )
}

/** The column of the broker's word that the day's requests of a kind are used up. */
const cappedUntil = (sql: Sql, kind: RequestKind) =>
  sql.literal(kind === "placement" ? "capped_until" : "cancels_capped_until")

/**
 * Expressions on an account's row: the earliest moment of one more request, its day in India, the requests granted on that day,
 * and whether the kind's share of them is used up. An UPDATE evaluates them on the version of the row that it has locked.
 */
const nextRequest = (sql: Sql, limits: RequestLimits, from: DateTime.Utc, pace?: Pace) => {
  const margin = durationMillis(limits.margin)
  /** What lies further ahead of `from` than it can was written before the clock was set back, and is left out. */
  const unlessVoid = (moment: Fragment, longest: Duration.Duration) => sql`
    CASE WHEN ${moment} <= ${instant(DateTime.addDuration(from, longest))}::timestamptz THEN ${moment} END`
  const afterRequest = (requests: number, millis: number) => sql`
    ${unlessVoid(sql`granted[cardinality(granted) - ${requests - 1}::int]`, longestAhead)} + ${millis}::float8 * interval '1 millisecond'`
  const earliest = sql`
    greatest(${instant(from)}::timestamptz, ${unlessVoid(sql`blocked_until`, longestAhead)},
      ${afterRequest(1, durationMillis(pace?.gap ?? Duration.zero))},
      ${afterRequest(limits.perSecond, 1000 + margin)}, ${afterRequest(pace?.perMinute ?? limits.perMinute, 60_000 + margin)})`
  const itsDay = sql`(${earliest} AT TIME ZONE 'Asia/Kolkata')::date`
  const { all, cancels, placements } = requestsOfDay(sql, itsDay)
  const { keptForOther, max } = requestShare(limits.kind, limits.perDay)
  const [own, other] = limits.kind === "placement" ? [placements, cancels] : [cancels, placements]
  const isUsedUp = sql`${own} + greatest(${other}, ${keptForOther}::int) >= ${max}::int`
  return { earliest, itsDay, all, cancels, isUsedUp, capped: unlessVoid(cappedUntil(sql, limits.kind), longestCap) }
}

/** Turns are reserved a little ahead, by a slow database's answers, and a broker asks to wait for a minute at most. */
const longestAhead = Duration.minutes(2)
/** After "the day is used up" the broker is asked again every five minutes. */
const longestCap = Duration.minutes(10)

const reserve = ({ sql, queryOption }: Db["Service"]): OrderBudget["Service"]["reserve"] =>
  Effect.fnUntraced(function* (broker, limits, from, latest, pace) {
    const { all, cancels, capped, earliest, isUsedUp, itsDay } = nextRequest(sql, limits, from, pace)
    const counted = limits.kind === "placement" ? sql`` : sql`, cancels_day = ${itsDay}, cancels_today = ${cancels} + 1`
    const granted = yield* queryOption(
      "OrderBudget.reserve",
      Granted,
      sql`
        UPDATE order_budgets SET
          granted = (granted || ${earliest})[greatest(cardinality(granted) + 2 - ${limits.perMinute}::int, 1):],
          day = ${itsDay}, granted_today = ${all} + 1${counted}
        WHERE broker = ${broker} AND ${earliest} <= ${instant(latest)} AND NOT ${isUsedUp}
          AND coalesce(${capped} <= ${earliest}, true)
        RETURNING (extract(epoch FROM granted[cardinality(granted)]) * 1000)::float8 AS at_millis`
    )
    if (Option.isSome(granted)) return { _tag: "Granted", atMillis: granted.value.atMillis }
    const refused = yield* queryOption(
      "OrderBudget.refused",
      Refused,
      sql`
        SELECT ${earliest} AS possible_at, CASE
            WHEN ${isUsedUp} THEN greatest(${capped},
              (${itsDay} + 1)::timestamp AT TIME ZONE 'Asia/Kolkata' + ${durationMillis(midnightMargin)}::float8 * interval '1 millisecond')
            WHEN ${capped} > ${earliest} THEN ${capped}
          END AS full_until
        FROM order_budgets WHERE broker = ${broker}`
    )
    if (Option.isNone(refused)) return yield* noBudget(broker)
    const { fullUntil, possibleAt } = refused.value
    return fullUntil === null ? { _tag: "TooLate", possibleAt } : { _tag: "DayIsFull", until: fullUntil }
  })

const committedRequests =
  ({ sql, queryOne }: Db["Service"]) =>
  (broker: string, day: string, perDay: number, except?: string) => {
    const { keptForOther } = requestShare("placement", perDay)
    const { usedOfPlacements } = requestsOfDay(sql, sql`${day}::text::date`)
    const isOfDay = sql`claim = 0
      AND due_at >= ${day}::text::timestamp AT TIME ZONE 'Asia/Kolkata'
      AND due_at < (${day}::text::timestamp + interval '1 day') AT TIME ZONE 'Asia/Kolkata'
      AND slice >> 20 IS DISTINCT FROM (SELECT number FROM orders WHERE id = ${except ?? null}::text)`
    return queryOne(
      "OrderBudget.committedRequests",
      Schema.Struct({ count: Schema.Int }),
      sql`
        SELECT (
          coalesce((SELECT ${usedOfPlacements(keptForOther)} FROM order_budgets WHERE broker = ${broker}), 0)
          + (SELECT count(*) FROM (
              SELECT FROM slice_queue WHERE NOT is_held AND ${isOfDay}
              UNION ALL
              SELECT FROM slice_queue WHERE is_held AND ${isOfDay}
              LIMIT ${perDay}) AS planned)
        )::int AS count`
    ).pipe(Effect.map(({ count }) => count))
  }

const block =
  ({ sql, execute }: Db["Service"]) =>
  (broker: string, until: DateTime.Utc) =>
    execute(
      "OrderBudget.block",
      sql`
        UPDATE order_budgets SET blocked_until = greatest(
          CASE WHEN blocked_until <= ${instant(DateTime.addDuration(until, longestAhead))}::timestamptz THEN blocked_until END,
          ${instant(until)}::timestamptz)
        WHERE broker = ${broker}`
    )

const cap =
  ({ sql, execute }: Db["Service"]) =>
  (broker: string, kind: RequestKind, until: DateTime.Utc) =>
    execute(
      "OrderBudget.cap",
      sql`UPDATE order_budgets SET ${cappedUntil(sql, kind)} = ${instant(until)} WHERE broker = ${broker}`
    )

/** The broker's clock may be behind ours: right after our midnight the used-up day may not be over there. */
const midnightMargin = Duration.minutes(1)

const noBudget = (broker: string): DbError =>
  new DbError({
    operation: "OrderBudget.reserve",
    message: `OrderBudget.reserve: order_budgets has no row for ${broker}; migrations put it there`,
    isTransient: false,
    sqlState: null
  })
