import { Context, type DateTime, Duration, Effect, Layer, Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import { DbError } from "../../db/DbError.ts"
import { durationMillis, instant } from "../../db/parameters.ts"

/** What a broker account may send, counted over all replicas. */
export interface BudgetLimits {
  readonly perSecond: number
  readonly perMinute: number
  readonly perDay: number
  /** By how much requests may be delayed on their way more than others, so that fewer seconds lie between their arrivals. */
  readonly margin: Duration.Duration
}

/** A request may leave at `atMillis` (since 1970), or the account's budget does not allow it as early as was asked for. */
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
 * The account's order requests of the last minute and of the day, one row for each broker. The row's lock is what makes
 * the limit one for all replicas. Whatever is granted counts, whether it is sent or not.
 */
export class OrderBudget extends Context.Service<
  OrderBudget,
  {
    /** Takes the earliest moment from `from` on at which one more request stays within every limit, if not after `latest`. */
    readonly reserve: (
      broker: string,
      limits: BudgetLimits,
      from: DateTime.Utc,
      latest: DateTime.Utc
    ) => Effect.Effect<Reservation, DbError>
    /**
     * How many order requests of a day in India, YYYY-MM-DD, are sent or planned: what was granted on it, and the slices
     * that are still to be sent on it, but for those of one order. Not counted further than `most`.
     */
    readonly committedRequests: (
      broker: string,
      day: string,
      most: number,
      except?: string
    ) => Effect.Effect<number, DbError>
    /** Lets nothing through before this. */
    readonly block: (broker: string, until: DateTime.Utc) => Effect.Effect<void, DbError>
    /** The broker said that the day's requests are used up: none is let through before this. */
    readonly cap: (broker: string, until: DateTime.Utc) => Effect.Effect<void, DbError>
  }
>()("pulse-background/OrderBudget") {
  static readonly layer: Layer.Layer<OrderBudget, never, Db> = Layer.effect(
    OrderBudget,
    Effect.gen(function* () {
      const { sql, queryOne, queryOption, execute } = yield* Db

      /** Reckoned on the row as it is when its lock is held: an UPDATE sees the latest version in all its expressions. */
      const reckoned = (limits: BudgetLimits, from: DateTime.Utc) => {
        const margin = durationMillis(limits.margin)
        const afterWindow = (requests: number, windowMillis: number) => sql`
          granted[cardinality(granted) - ${requests - 1}::int] + ${windowMillis + margin}::float8 * interval '1 millisecond'`
        const earliest = sql`
          greatest(${instant(from)}::timestamptz, blocked_until, granted[cardinality(granted)],
            ${afterWindow(limits.perSecond, 1000)}, ${afterWindow(limits.perMinute, 60_000)})`
        const itsDay = sql`(${earliest} AT TIME ZONE 'Asia/Kolkata')::date`
        return { earliest, itsDay, grantedOnIt: sql`CASE WHEN day = ${itsDay} THEN granted_today ELSE 0 END` }
      }

      return OrderBudget.of({
        reserve: Effect.fnUntraced(function* (broker, limits, from, latest) {
          const { earliest, itsDay, grantedOnIt } = reckoned(limits, from)
          const granted = yield* queryOption(
            "OrderBudget.reserve",
            Granted,
            sql`
              UPDATE order_budgets SET
                granted = (granted || ${earliest})[greatest(cardinality(granted) + 2 - ${limits.perMinute}::int, 1):],
                day = ${itsDay}, granted_today = ${grantedOnIt} + 1
              WHERE broker = ${broker} AND ${earliest} <= ${instant(latest)} AND ${grantedOnIt} < ${limits.perDay}
                AND capped_until <= ${earliest}
              RETURNING (extract(epoch FROM granted[cardinality(granted)]) * 1000)::float8 AS at_millis`
          )
          if (Option.isSome(granted)) return { _tag: "Granted", atMillis: granted.value.atMillis }
          const refused = yield* queryOption(
            "OrderBudget.refused",
            Refused,
            sql`
              SELECT ${earliest} AS possible_at, CASE
                  WHEN ${grantedOnIt} >= ${limits.perDay} THEN greatest(capped_until,
                    (${itsDay} + 1)::timestamp AT TIME ZONE 'Asia/Kolkata' + ${durationMillis(midnightMargin)}::float8 * interval '1 millisecond')
                  WHEN capped_until > ${earliest} THEN capped_until
                END AS full_until
              FROM order_budgets WHERE broker = ${broker}`
          )
          if (Option.isNone(refused)) return yield* noBudget(broker)
          const { fullUntil, possibleAt } = refused.value
          return fullUntil === null ? { _tag: "TooLate", possibleAt } : { _tag: "DayIsFull", until: fullUntil }
        }),

        committedRequests: (broker, day, most, except) =>
          queryOne(
            "OrderBudget.committedRequests",
            Schema.Struct({ count: Schema.Int }),
            sql`
              SELECT (
                coalesce((SELECT granted_today FROM order_budgets WHERE broker = ${broker} AND day = ${day}::text::date), 0)
                + (SELECT count(*) FROM (
                    SELECT FROM order_slices
                    WHERE stage = 'SCHEDULED' AND is_held IN (false, true) AND order_id IS DISTINCT FROM ${except ?? null}::text
                      AND not_before >= ${day}::text::timestamp AT TIME ZONE 'Asia/Kolkata'
                      AND not_before < (${day}::text::timestamp + interval '1 day') AT TIME ZONE 'Asia/Kolkata'
                    LIMIT ${most}) AS planned)
              )::int AS count`
          ).pipe(Effect.map(({ count }) => count)),

        block: (broker, until) =>
          execute(
            "OrderBudget.block",
            sql`
              UPDATE order_budgets SET blocked_until = greatest(blocked_until, ${instant(until)}::timestamptz)
              WHERE broker = ${broker}`
          ),

        cap: (broker, until) =>
          execute(
            "OrderBudget.cap",
            sql`UPDATE order_budgets SET capped_until = ${instant(until)} WHERE broker = ${broker}`
          )
      })
    })
  )
}

/** The broker's clock may be behind: right after our midnight its day may still be the old one, and used up. */
const midnightMargin = Duration.minutes(1)

const noBudget = (broker: string): DbError =>
  new DbError({
    operation: "OrderBudget.reserve",
    message: `OrderBudget.reserve: order_budgets has no row for ${broker}; migrations put it there`,
    isTransient: false,
    sqlState: null
  })
