import { Array as Arrays, Context, DateTime, Effect, Layer, type Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { decimals, instant, integers, numbers, texts } from "../../db/parameters.ts"
import { indianDay } from "../../domain/market/indianTime.ts"
import { InstrumentDetails, nearestNames } from "../../domain/market/InstrumentDetails.ts"
import type { Instrument } from "../../domain/model/Order.ts"
import { Profile } from "../../domain/model/shape.ts"
import type { Listing, InstrumentFacts } from "../../domain/planning/planOrder.ts"

/** The broker whose list it is. */
export const InstrumentSource = Schema.Literals(["mock", "zerodha"])
export type InstrumentSource = typeof InstrumentSource.Type

/** A new list so much shorter than the current one that it is probably broken. Nothing was changed. */
export class TooFewInstruments extends Schema.TaggedError<TooFewInstruments>()("TooFewInstruments", {
  message: Schema.String,
  before: Schema.Int,
  given: Schema.Int
}) {}

/**
 * The result of a sync, in instruments. `removed` counts those that the new list lacks, `kept` those that it has in a line that
 * cannot be read: what was known of them stays.
 */
export interface Replaced {
  readonly total: number
  readonly added: number
  readonly removed: number
  readonly kept: number
}

const InstrumentStatus = Schema.Struct({
  source: InstrumentSource,
  count: Schema.Int,
  syncedAt: Schema.DateTimeUtcFromDate
})
export type InstrumentStatus = typeof InstrumentStatus.Type

const KnownOfMarket = Schema.Struct({
  instrument: Schema.String,
  volumes: Schema.NullOr(Profile),
  hasList: Schema.Boolean,
  hasFutures: Schema.Boolean,
  lastPrice: Schema.NullOr(Schema.BigDecimalFromString),
  quotedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})

const Counted = Schema.Struct({ count: Schema.Int })
const Named = Schema.Struct({ instrument: InstrumentDetails.fields.instrument })

/** Each suggestion reads the whole list. */
const maxSuggestions = 3

/** Rows in one statement: a few hundred milliseconds of work. */
const batchSize = 5_000

/**
 * The list of tradable instruments and what is known of each market: listing, futures, volume profile, last price. The list
 * is replaced as a whole, so readers never see parts of two. Read by the splitter and the monitor to plan, and by the
 * commands; written by the sync.
 */
export class InstrumentStore extends Context.Service<
  InstrumentStore,
  {
    /**
     * Replaces the list, whichever broker's it was, all or nothing. `details` names no instrument twice. What this source
     * has said before of instruments in `keep` stays. Refuses an empty list and, unless forced, one with under half as many
     * instruments as the current one.
     */
    readonly replaceAll: (
      source: InstrumentSource,
      details: ReadonlyArray<InstrumentDetails>,
      now: DateTime.Utc,
      options?: { readonly force: boolean; readonly keep?: ReadonlyArray<string> }
    ) => Effect.Effect<Replaced, DbError | TooFewInstruments>
    /** The listed ones among these instruments, by name. */
    readonly find: (
      instruments: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyMap<string, InstrumentDetails>, DbError>
    /**
     * Names similar to one that is not listed: on the same exchange those with the same first letter or the same last three,
     * on others those with the same first two. Reads the whole table, so it is for messages to people, not for every order.
     */
    readonly candidates: (wanted: string) => Effect.Effect<ReadonlyArray<Instrument>, DbError>
    /**
     * The facts that planning needs of instruments; the answer has an entry for each one asked for. Similar names are
     * looked up only for the first {@link maxSuggestions} that are not listed.
     */
    readonly markets: (
      instruments: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyMap<string, InstrumentFacts>, DbError>
    /** Whose list it is, its size and when it was synced; none before the first sync. */
    readonly status: Effect.Effect<Option.Option<InstrumentStatus>, DbError>
  }
>()("pulse-background/InstrumentStore") {
  static readonly layer: Layer.Layer<InstrumentStore, never, Db> = Layer.effect(
    InstrumentStore,
    Effect.map(Db, (db) =>
      InstrumentStore.of({
        replaceAll: replaceAll(db),
        find: find(db),
        candidates: candidates(db),
        markets: markets(db),
        status: status(db)
      })
    )
  )
}

const count = ({ sql, queryOne }: Db["Service"]) =>
  queryOne("InstrumentStore.count", Counted, sql`SELECT count(*)::int AS count FROM instruments`).pipe(
    Effect.map(({ count }) => count)
  )

const removeAllBut = (
  { sql, queryOne }: Db["Service"],
  source: InstrumentSource,
  instruments: ReadonlyArray<string>,
  keep: ReadonlyArray<string>
) =>
  queryOne(
    "InstrumentStore.removeAllBut",
    Schema.Struct({ removed: Schema.Int, kept: Schema.Int }),
    sql`
      WITH kept AS MATERIALIZED (
        SELECT i.instrument FROM instruments i
        WHERE i.source = ${source} AND i.instrument = ANY(${texts(keep)})
          AND NOT EXISTS (SELECT FROM unnest(${texts(instruments)}) AS listed (name) WHERE listed.name = i.instrument)
      ), removed AS (
        DELETE FROM instruments i
        WHERE NOT EXISTS (SELECT FROM unnest(${texts(instruments)}) AS listed (name) WHERE listed.name = i.instrument)
          AND NOT EXISTS (SELECT FROM kept WHERE kept.instrument = i.instrument)
        RETURNING 1
      )
      SELECT (SELECT count(*)::int FROM removed) AS removed, (SELECT count(*)::int FROM kept) AS kept`
  )

const upsert = (
  { sql, execute }: Db["Service"],
  source: InstrumentSource,
  batch: ReadonlyArray<InstrumentDetails>,
  now: DateTime.Utc
) =>
  execute(
    "InstrumentStore.upsert",
    sql`
      INSERT INTO instruments (instrument, name, lot_size, tick_size, instrument_type, segment, expiry, last_price, token,
        source, synced_at)
      SELECT i.instrument, i.name, i.lot_size, i.tick_size, i.instrument_type, i.segment, i.expiry::date, i.last_price,
        i.token::bigint, ${source}, ${instant(now)}
      FROM unnest(
        ${texts(batch.map(({ instrument }) => instrument))},
        ${texts(batch.map(({ name }) => name))},
        ${integers(batch.map(({ lotSize }) => lotSize))},
        ${decimals(batch.map(({ tickSize }) => tickSize))},
        ${texts(batch.map(({ instrumentType }) => instrumentType))},
        ${texts(batch.map(({ segment }) => segment))},
        ${texts(batch.map(({ expiry }) => expiry))},
        ${decimals(batch.map(({ lastPrice }) => lastPrice))},
        ${numbers(batch.map(({ token }) => token))}
      ) AS i (instrument, name, lot_size, tick_size, instrument_type, segment, expiry, last_price, token)
      ON CONFLICT (instrument) DO UPDATE SET
        name = excluded.name, lot_size = excluded.lot_size, tick_size = excluded.tick_size,
        instrument_type = excluded.instrument_type, segment = excluded.segment, expiry = excluded.expiry,
        last_price = excluded.last_price, token = excluded.token, source = excluded.source, synced_at = excluded.synced_at`
  )

/** Two replacements at a time would delete each other's rows. Readers are not blocked. */
const lockForWriting = ({ sql, execute }: Db["Service"]) =>
  execute("InstrumentStore.lock", sql`LOCK TABLE instruments IN SHARE ROW EXCLUSIVE MODE`)

const replaceAll =
  (db: Db["Service"]): InstrumentStore["Service"]["replaceAll"] =>
  (source, details, now, { force, keep = [] } = { force: false }) =>
    db.unlimited(
      "InstrumentStore.replaceAll",
      Effect.gen(function* () {
        yield* lockForWriting(db)
        const before = yield* count(db)
        const given = details.length
        if (given === 0 || (!force && given * 2 < before)) return yield* tooFew(before, given)
        const { kept, removed } = yield* removeAllBut(
          db,
          source,
          details.map(({ instrument }) => instrument),
          keep
        )
        yield* Effect.forEach(Arrays.chunksOf(details, batchSize), (batch) => upsert(db, source, batch, now), {
          discard: true
        })
        return { total: given + kept, added: given - (before - removed - kept), removed, kept }
      })
    )

const tooFew = (before: number, given: number) =>
  new TooFewInstruments({
    before,
    given,
    message:
      given === 0
        ? "The new list has no instruments in it; nothing was changed"
        : `The new list has ${given} instruments, under half of the ${before} that are known; nothing was changed`
  })

const find =
  ({ sql, query }: Db["Service"]) =>
  (instruments: ReadonlyArray<string>) =>
    query(
      "InstrumentStore.find",
      InstrumentDetails,
      sql`
        SELECT instrument, name, lot_size, tick_size::text AS tick_size, instrument_type, segment, expiry::text AS expiry,
          last_price::text AS last_price, token::float8 AS token
        FROM instruments WHERE instrument = ANY(${texts(instruments)})`
    ).pipe(
      Effect.map((rows) => new Map<string, InstrumentDetails>(rows.map((details) => [details.instrument, details])))
    )

const candidates =
  ({ sql, query }: Db["Service"]) =>
  (wanted: string) => {
    const colon = wanted.indexOf(":")
    const [exchange, symbol] = [wanted.slice(0, Math.max(0, colon)), wanted.slice(colon + 1)]
    return query(
      "InstrumentStore.candidates",
      Named,
      sql`
        SELECT instrument FROM instruments
        WHERE starts_with(instrument, ${`${exchange}:${symbol.slice(0, 1)}`})
          OR (starts_with(instrument, ${`${exchange}:`}) AND right(instrument, 3) = ${symbol.slice(-3)})
          OR starts_with(split_part(instrument, ':', 2), ${symbol.slice(0, 2)})
        ORDER BY instrument`
    ).pipe(Effect.map((rows) => rows.map(({ instrument }) => instrument)))
  }

const facts = ({ sql, query }: Db["Service"], instruments: ReadonlyArray<string>, today: string) =>
  query(
    "InstrumentStore.facts",
    KnownOfMarket,
    sql`
      SELECT w.instrument, to_jsonb(v.volumes) AS volumes, EXISTS (SELECT FROM instruments) AS has_list,
        EXISTS (SELECT FROM instruments f WHERE f.segment IN ('NFO-FUT', 'BFO-FUT') AND f.name = split_part(w.instrument, ':', 2)
          AND (f.expiry IS NULL OR f.expiry >= ${today}::date))
          AS has_futures,
        q.last_price::text AS last_price, q.at AS quoted_at
      FROM unnest(${texts(instruments)}) AS w (instrument)
      LEFT JOIN volume_profiles v USING (instrument)
      LEFT JOIN LATERAL (
        SELECT last_price, at FROM market_quotes WHERE instrument = w.instrument ORDER BY at DESC LIMIT 1
      ) q ON true`
  )

const markets = (db: Db["Service"]) =>
  Effect.fnUntraced(function* (instruments: ReadonlyArray<string>) {
    // A share leaves the closing auction on the day after its last future, also where the list is older.
    const known = yield* facts(db, [...new Set(instruments)], indianDay(yield* DateTime.now))
    const details = known.some(({ hasList }) => hasList)
      ? yield* find(db)(instruments)
      : new Map<string, InstrumentDetails>()
    const markets = new Map<string, InstrumentFacts>()
    const suggestedFor = known.filter(({ instrument }) => !details.has(instrument)).slice(0, maxSuggestions)
    for (const { instrument, volumes, hasList, hasFutures, lastPrice, quotedAt } of known) {
      const found = details.get(instrument)
      const hasSuggestions = suggestedFor.some((one) => one.instrument === instrument)
      const listing: Listing | null = !hasList
        ? null
        : found === undefined
          ? {
              _tag: "Unlisted",
              similar: hasSuggestions ? nearestNames(instrument, yield* candidates(db)(instrument)) : []
            }
          : { _tag: "Listed", details: found, hasFutures }
      const quote = lastPrice === null || quotedAt === null ? null : { lastPrice, at: quotedAt }
      markets.set(instrument, { volumeProfile: volumes, listing, quote })
    }
    return markets
  })

const status = ({ sql, queryOption }: Db["Service"]) =>
  queryOption(
    "InstrumentStore.status",
    InstrumentStatus,
    sql`
      SELECT source, count(*)::int AS count, max(synced_at) AS synced_at FROM instruments
      GROUP BY source ORDER BY synced_at DESC`
  )
