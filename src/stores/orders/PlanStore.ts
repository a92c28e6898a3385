import { Context, type DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant, numbers } from "../../db/parameters.ts"
import { TradingTime } from "../../domain/market/TradingTime.ts"
import { Profile } from "../../domain/model/shape.ts"
import { PlanCause } from "../../domain/planning/planOrder.ts"
import { ScheduleInput } from "../../domain/planning/schedule/Schedule.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"

/** A plan of an order as stored. `input` is decoded later, because another version of the service may have written it. */
export const StoredPlan = Schema.Struct({
  revision: Schema.Int,
  firstSequence: Schema.Int,
  algorithmVersion: Schema.Int,
  input: Schema.Unknown,
  startsAt: Schema.DateTimeUtcFromDate,
  endsAt: Schema.DateTimeUtcFromDate,
  /** The venue's sessions within the window; null for any time. */
  sessions: TradingTime,
  cause: PlanCause,
  note: Schema.NullOr(Schema.String),
  createdAt: Schema.DateTimeUtcFromDate
})
export type StoredPlan = typeof StoredPlan.Type

export const decodePlanInput = Schema.decodeUnknownOption(ScheduleInput)

const VolumeProfile = Schema.Struct({
  instrument: Schema.String,
  volumes: Profile,
  updatedBy: Schema.String,
  updatedAt: Schema.DateTimeUtcFromDate
})
export type VolumeProfile = typeof VolumeProfile.Type

/**
 * Reads the plans of orders, for the command `explain`, and keeps the volume profiles that VWAP plans follow, for the
 * command `profile`. A change of a profile is recorded in the same statement.
 */
export class PlanStore extends Context.Service<
  PlanStore,
  {
    /** All plans of an order, oldest first. */
    readonly plans: (orderId: string) => Effect.Effect<ReadonlyArray<StoredPlan>, DbError>
    readonly volumeProfiles: Effect.Effect<ReadonlyArray<VolumeProfile>, DbError>
    /** Sets an instrument's profile. Orders that are already split keep their plans. */
    readonly setVolumeProfile: (
      profile: { readonly instrument: string; readonly volumes: Profile },
      asked: Asked,
      now: DateTime.Utc
    ) => Effect.Effect<void, DbError>
    /** Removes an instrument's profile; false when there was none. */
    readonly removeVolumeProfile: (
      instrument: string,
      asked: Asked,
      now: DateTime.Utc
    ) => Effect.Effect<boolean, DbError>
  }
>()("pulse-background/PlanStore") {
  static readonly layer: Layer.Layer<PlanStore, never, Db> = Layer.effect(
    PlanStore,
    Effect.gen(function* () {
      const { sql, query, execute } = yield* Db
      return PlanStore.of({
        plans: (orderId) =>
          query(
            "PlanStore.plans",
            StoredPlan,
            sql`
              SELECT revision, first_sequence, algorithm_version, input, starts_at, ends_at, sessions, cause, note, created_at
              FROM order_plans WHERE order_id = ${orderId} ORDER BY revision`
          ),

        volumeProfiles: query(
          "PlanStore.volumeProfiles",
          VolumeProfile,
          sql`SELECT * FROM volume_profiles ORDER BY instrument`
        ),

        setVolumeProfile: ({ instrument, volumes }, asked, now) =>
          execute(
            "PlanStore.setVolumeProfile",
            sql`
              WITH stored AS (
                INSERT INTO volume_profiles (instrument, volumes, updated_by, updated_at)
                VALUES (${instrument}, ${numbers(volumes)}, ${asked.by}, ${instant(now)})
                ON CONFLICT (instrument) DO UPDATE SET
                  volumes = excluded.volumes, updated_by = excluded.updated_by, updated_at = excluded.updated_at
                RETURNING instrument, volumes
              )
              ${insertActions(
                sql,
                { name: "profile set", asked, now },
                sql`SELECT NULL::text, NULL::text, jsonb_build_object('instrument', instrument, 'volumes', volumes) FROM stored`
              )}`
          ),

        removeVolumeProfile: (instrument, asked, now) =>
          query(
            "PlanStore.removeVolumeProfile",
            Schema.Struct({ instrument: Schema.String }),
            sql`
              WITH removed AS (
                DELETE FROM volume_profiles WHERE instrument = ${instrument} RETURNING instrument, volumes
              ), recorded AS (${insertActions(
                sql,
                { name: "profile remove", asked, now },
                sql`SELECT NULL::text, NULL::text, jsonb_build_object('instrument', instrument, 'volumes', volumes) FROM removed`
              )})
              SELECT instrument FROM removed`
          ).pipe(Effect.map((rows) => rows.length === 1))
      })
    })
  )
}
