import { Context, DateTime, Duration, Effect, Layer, Schema } from "effect"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { decimals, durationMillis, instant, numbers, texts } from "../../db/parameters.ts"
import type { MarketLimits } from "../../domain/limits/marketLimits.ts"
import { MarketFacts } from "../../domain/model/MarketFacts.ts"
import { Instrument } from "../../domain/model/Order.ts"
import type { Quote } from "../../domain/model/Quote.ts"
import { isWindowOver } from "../sql/conditions.ts"

/**
 * Last prices and the day's volumes of instruments, and when they were read. One replica asks the broker in each interval.
 * Written by the monitor; read with each claimed slice, for the market limits.
 */
export class QuoteStore extends Context.Service<
  QuoteStore,
  {
    /**
     * Adds the quotes that a source gave at a moment, except those with a price or volume that the table does not take. An
     * earlier quote of the same instrument and moment stays.
     */
    readonly save: (source: string, quotes: ReadonlyArray<Quote>, at: DateTime.Utc) => Effect.Effect<void, DbError>

    /**
     * The instruments to ask the broker for: those of the slices due by `horizon`. Takes the turn of this interval, so that
     * one of several replicas asks; empty when another one has it.
     */
    readonly takeTurn: (options: {
      readonly now: DateTime.Utc
      readonly interval: Duration.Duration
      readonly horizon: DateTime.Utc
    }) => Effect.Effect<ReadonlySet<Instrument>, DbError>

    /** The market facts of an instrument, the same that a claimed slice carries. */
    readonly facts: (
      instrument: string,
      options: Pick<MarketLimits, "volumePeriod" | "quoteAge"> & { readonly now: DateTime.Utc }
    ) => Effect.Effect<MarketFacts, DbError>

    /** Removes quotes from before then. */
    readonly prune: (before: DateTime.Utc) => Effect.Effect<void, DbError>
  }
>()("pulse-background/QuoteStore") {
  static readonly layer: Layer.Layer<QuoteStore, never, Db> = Layer.effect(
    QuoteStore,
    Effect.gen(function* () {
      const db = yield* Db
      const { sql, queryOne, execute } = db
      return QuoteStore.of({
        save: (source, quotes, at) =>
          execute(
            "QuoteStore.save",
            sql`
              INSERT INTO market_quotes (instrument, at, last_price, day_volume, source)
              SELECT q.instrument, ${instant(at)}, q.last_price, q.day_volume::bigint, ${source}
              FROM unnest(
                ${texts(quotes.map(({ instrument }) => instrument))},
                ${decimals(quotes.map(({ lastPrice }) => lastPrice))},
                ${numbers(quotes.map(({ dayVolume }) => dayVolume))}
              ) AS q (instrument, last_price, day_volume)
              WHERE q.last_price > 0 AND q.last_price < 100000000000
                AND coalesce(q.day_volume BETWEEN 0 AND ${Number.MAX_SAFE_INTEGER}::float8, true)
              ON CONFLICT (instrument, at) DO NOTHING`
          ),

        takeTurn: takeTurn(db),

        facts: (instrument, options) =>
          queryOne(
            "QuoteStore.facts",
            MarketFacts,
            sql`
              WITH picked AS (SELECT ${instrument}::text AS instrument), ${marketFacts(sql, options)}
              SELECT ${sql.literal(factColumns)} FROM facts m`
          ),

        prune: (before) => execute("QuoteStore.prune", sql`DELETE FROM market_quotes WHERE at < ${instant(before)}`)
      })
    })
  )
}

/** The slices that are due by a horizon and may still be placed; each part reads one index. */
const awaitedSlices = (sql: Sql, now: DateTime.Utc, horizon: DateTime.Utc) => {
  const isAwaited = sql`claim = 0 AND due_at <= ${instant(horizon)} AND NOT ${isWindowOver(sql, now)}`
  return sql`(
    SELECT slice FROM slice_queue WHERE NOT is_held AND ${isAwaited}
    UNION ALL SELECT slice FROM slice_queue WHERE is_held AND ${isAwaited})`
}

const takeTurn =
  ({ sql, query }: Db["Service"]): QuoteStore["Service"]["takeTurn"] =>
  ({ now, interval, horizon }) =>
    query(
      "QuoteStore.takeTurn",
      Schema.Struct({ instrument: Instrument }),
      sql`
        WITH turn AS (
          UPDATE quote_turn SET taken_at = ${instant(now)}
          -- A little less than the interval, because the replica may ask a moment early or late.
          WHERE taken_at <= ${instant(DateTime.subtractDuration(now, Duration.times(interval, 0.9)))}
            -- True only after the clock was set back.
            OR taken_at > ${instant(now)}
          RETURNING 1
        )
        SELECT DISTINCT CASE WHEN p.revision IS NULL THEN p.instrument ELSE f.instrument END AS instrument
        FROM ${awaitedSlices(sql, now, horizon)} awaited
        JOIN slice_plan p USING (slice)
        JOIN orders o ON o.number = p.order_number
        LEFT JOIN order_plans f ON f.order_id = o.id AND f.revision = p.revision
        WHERE EXISTS (SELECT FROM turn)
        ORDER BY instrument`
    ).pipe(Effect.map((rows) => new Set(rows.map(({ instrument }) => instrument))))

/** The columns of MarketFacts that {@link marketFacts} gives, for a SELECT. */
const factColumns = `
  m.last_price::text AS last_price, m.last_price_millis, m.recent_volume, m.recent_volume_millis`

/**
 * The part `facts` of a statement's WITH: the market facts of each instrument in its part `picked`. The recent volume is that
 * of `volumePeriod` before the newest reading, interpolated from the last reading before that period. It is null when there is
 * no reading close before the period, or when the day's volume started again in between.
 */
export const marketFacts = (
  sql: Sql,
  { now, volumePeriod, quoteAge }: Pick<MarketLimits, "volumePeriod" | "quoteAge"> & { readonly now: DateTime.Utc }
) => {
  const period = sql`${durationMillis(volumePeriod)}::float8`
  const millis = (column: string) => sql.literal(`(extract(epoch FROM ${column}) * 1000)::float8`)
  return sql`
    facts AS (
      SELECT w.instrument, p.last_price, ${millis("p.at")} AS last_price_millis, ${millis("v.at")} AS recent_volume_millis,
        CASE WHEN v.day_volume >= b.day_volume THEN
          floor((v.day_volume - b.day_volume) * ${period} / ${millis("v.at - b.at")}) END AS recent_volume
      FROM (SELECT DISTINCT instrument FROM picked) w
      LEFT JOIN LATERAL (
        SELECT last_price, at FROM market_quotes WHERE instrument = w.instrument AND at <= ${instant(now)}
        ORDER BY at DESC LIMIT 1
      ) p ON true
      LEFT JOIN LATERAL (
        SELECT day_volume, at FROM market_quotes
        WHERE instrument = w.instrument AND at <= ${instant(now)} AND day_volume IS NOT NULL
        ORDER BY at DESC LIMIT 1
      ) v ON true
      LEFT JOIN LATERAL (
        SELECT day_volume, at FROM market_quotes
        WHERE instrument = w.instrument AND day_volume IS NOT NULL
          AND at <= v.at - ${period} * interval '1 millisecond'
          AND at >= v.at - (${period} + ${durationMillis(quoteAge)}::float8) * interval '1 millisecond'
        ORDER BY at DESC LIMIT 1
      ) b ON true
    )`
}
