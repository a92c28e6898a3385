import { Context, DateTime, Duration, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { tellingOfWait } from "../../db/lockWaits.ts"
import { durationMillis, instant, integers, numbers, texts } from "../../db/parameters.ts"
import type { MarketLimits } from "../../domain/limits/marketLimits.ts"
import { type Admission, admit, stepOf } from "../../domain/limits/participation.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import { marketFacts } from "./QuoteStore.ts"

const VolumeUse = Schema.Struct({
  instrument: Schema.String,
  recentVolume: Schema.NullOr(Schema.Number),
  recentVolumeMillis: Schema.NullOr(Schema.Number),
  used: Schema.Number,
  usedLately: Schema.Number
})

interface ReserveOptions extends Pick<MarketLimits, "volumeSharePercent" | "volumePeriod" | "quoteAge"> {
  readonly now: DateTime.Utc
  /** How long a slice may be claimed before it is sent: the lease of a claim. */
  readonly lease: Duration.Duration
}

/**
 * What slices have taken of the market's volume, over all daemons. Called by the executor after each claim, and only while the share of
 * the volume is limited.
 */
export class ParticipationStore extends Context.Service<
  ParticipationStore,
  {
    /**
     * Decides which of the slices that the caller has claimed may be sent, and reserves their quantities: one transaction under a lock
     * over all daemons, so that no two of them give away the same volume.
     */
    readonly reserve: (
      claimed: ReadonlyArray<ClaimedSlice>,
      options: ReserveOptions
    ) => Effect.Effect<Admission<ClaimedSlice>, DbError>

    /** Removes reservations from before then, except those of slices that are still claimed or in doubt. */
    readonly prune: (before: DateTime.Utc) => Effect.Effect<void, DbError>
  }
>()("pulse-background/ParticipationStore") {
  static readonly layer: Layer.Layer<ParticipationStore, never, Db> = Layer.effect(
    ParticipationStore,
    Effect.map(Db, (db) => {
      const { sql, execute, transaction } = db
      const lock = tellingOfWait(
        db,
        { what: "the share of the volume", key: ["pulse_background_volume_share"] },
        execute("ParticipationStore.lock", sql`SELECT pg_advisory_xact_lock(hashtext('pulse_background_volume_share'))`)
      )
      return ParticipationStore.of({
        reserve: (claimed, options) => {
          const slices = claimed.toSorted((a, b) => a.notBeforeMillis - b.notBeforeMillis || a.key - b.key)
          const decide = Effect.map(readUses(db, slices, options), (uses) =>
            admit(slices, uses, DateTime.toEpochMillis(options.now), options)
          )
          return transaction(
            "ParticipationStore.reserve",
            // Statements of their own, so that they see what earlier holders of the lock have committed.
            Effect.tap(Effect.andThen(lock, decide), ({ admitted }) => write(db, admitted, options.now))
          )
        },

        prune: (before) =>
          execute(
            "ParticipationStore.prune",
            sql`
              DELETE FROM volume_reservations r WHERE at < ${instant(before)}
                AND NOT EXISTS (SELECT FROM slice_queue q WHERE q.slice = r.slice AND q.claim <> 0)`
          )
      })
    })
  )
}

/**
 * Since when a reservation counts, as a moment: from now on while its slice may be sent at any moment, since its broker order was
 * acknowledged or found if there is one, and never if it certainly was not sent. An acknowledgement comes after the sending, so the
 * quantity counts no shorter than the period.
 */
const sentAt = `CASE
  WHEN q.claim <> 0 THEN 'infinity'::timestamptz
  WHEN q.slice IS NOT NULL OR (s.stage <> 'P' AND s.in_doubt_at IS NULL) THEN '-infinity'
  ELSE coalesce(w.acknowledged_at, s.acknowledged_at, w.placed_at, s.placed_at, r.at) END`

/** Reads what the slices' instruments have traded, and what other slices have taken of it by the time the first of these is due. */
const readUses = (
  { sql, query }: Db["Service"],
  slices: ReadonlyArray<ClaimedSlice>,
  options: ReserveOptions
): Effect.Effect<ReadonlyMap<string, typeof VolumeUse.Type>, DbError> => {
  const { now, volumePeriod, lease } = options
  const nowMillis = DateTime.toEpochMillis(now)
  const firstDue = new Map<string, number>()
  for (const { instrument, notBeforeMillis } of slices) {
    if (!firstDue.has(instrument)) firstDue.set(instrument, Math.max(nowMillis, notBeforeMillis))
  }
  const millis = (duration: Duration.Duration) => sql`${durationMillis(duration)}::float8 * interval '1 millisecond'`
  // A little less than a step, because an acknowledgement comes a little later than the time that its slice was due.
  const lately = Duration.times(stepOf(options), 0.9)
  return query(
    "ParticipationStore.uses",
    VolumeUse,
    sql`
      WITH picked AS MATERIALIZED (
        SELECT instrument, to_timestamp(due_millis / 1000) AS due_at FROM unnest(
          ${texts([...firstDue.keys()])}, ${numbers([...firstDue.values()])}
        ) AS d (instrument, due_millis)
      ), ${marketFacts(sql, options)}
      SELECT picked.instrument, f.recent_volume, f.recent_volume_millis, u.used, u.used_lately
      FROM picked JOIN facts f USING (instrument) CROSS JOIN LATERAL (
        SELECT coalesce(sum(quantity), 0)::float8 AS used,
          coalesce(sum(quantity) FILTER (WHERE sent_at > picked.due_at - ${millis(lately)}), 0)::float8 AS used_lately
        FROM (
          SELECT r.quantity, ${sql.literal(sentAt)} AS sent_at
          FROM volume_reservations r
          LEFT JOIN slice_queue q ON q.slice = r.slice
          LEFT JOIN slice_working w ON w.slice = r.slice
          LEFT JOIN slice_results s ON s.slice = r.slice
          -- What was claimed before that was sent before the period, if at all.
          WHERE r.instrument = picked.instrument AND r.at > ${instant(now)}::timestamptz - ${millis(Duration.sum(volumePeriod, lease))}
            AND r.slice <> ALL(${numbers(slices.map(({ key }) => key))}::bigint[])
        ) taken WHERE sent_at > picked.due_at - ${millis(volumePeriod)}
      ) u`
  ).pipe(Effect.map((rows) => new Map(rows.map((row) => [row.instrument, row]))))
}

const write = ({ sql, execute }: Db["Service"], slices: ReadonlyArray<ClaimedSlice>, now: DateTime.Utc) =>
  slices.length === 0
    ? Effect.void
    : execute(
        "ParticipationStore.write",
        sql`
          INSERT INTO volume_reservations (slice, instrument, quantity, at)
          SELECT slice::bigint, instrument, quantity, ${instant(now)} FROM unnest(
            ${numbers(slices.map(({ key }) => key))}, ${texts(slices.map(({ instrument }) => instrument))},
            ${integers(slices.map(({ quantity }) => quantity))}
          ) AS i (slice, instrument, quantity)
          ON CONFLICT (slice) DO UPDATE SET at = excluded.at, instrument = excluded.instrument, quantity = excluded.quantity`
      )
