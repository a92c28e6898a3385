import { Context, type DateTime, Effect, Layer, Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, instant } from "../../db/parameters.ts"
import { isHalted } from "../sql/conditions.ts"
import { settledHistory } from "../sql/history.ts"
import { insertActions } from "../sql/insertActions.ts"

/** An operator's decision whether anything may be placed. Later ones have larger ids; the latest counts. */
export const Halt = Schema.Struct({
  id: Schema.Int,
  isHalted: Schema.Boolean,
  reason: Schema.String,
  requestedBy: Schema.String,
  requestedAt: Schema.DateTimeUtcFromDate
})
export type Halt = typeof Halt.Type

/** Whoever has claimed slices, and the database does not know of it any more. */
export const lostClaims = "whoever has claimed what the database has forgotten"

/**
 * Halts and resumes of all daemons. The claim of slices reads the latest one in its own statement, so nothing is claimed
 * after a halt is committed; an executor acknowledges it once its own requests have ended. Called by the commands halt and
 * resume, and by every executor.
 */
export class HaltStore extends Context.Service<
  HaltStore,
  {
    /** Halts or resumes all replicas, and wakes them. Takes effect on claims with its commit. */
    readonly request: (halt: {
      readonly isHalted: boolean
      readonly reason: string
      readonly requestedBy: string
      readonly requestedAt: DateTime.Utc
    }) => Effect.Effect<Halt, DbError>

    /**
     * Halts all replicas as long ago, unless they are halted: a daemon that obeys this halt has found that the database forgot it.
     */
    readonly restore: (halt: Omit<Halt, "id" | "isHalted">, now: DateTime.Utc) => Effect.Effect<void, DbError>

    /** The latest halt or resume; none when there never was one. */
    readonly current: Effect.Effect<Option.Option<Halt>, DbError>

    /** Records that this instance's executor follows it; false while the executor has no row among the workers. */
    readonly acknowledge: (instanceId: string, haltId: number) => Effect.Effect<boolean, DbError>

    /**
     * The instances that may not follow it yet: those whose executor is alive and has not acknowledged it, and those with
     * claims whose leases have not ended, alive or not. While the database may have forgotten claims, {@link lostClaims} too.
     */
    readonly waitingFor: (halt: Halt, now: DateTime.Utc) => Effect.Effect<ReadonlyArray<string>, DbError>
  }
>()("pulse-background/HaltStore") {
  static readonly layer: Layer.Layer<HaltStore, never, Db> = Layer.effect(
    HaltStore,
    Effect.gen(function* () {
      const db = yield* Db
      const { sql, queryOne, queryOption } = db

      return HaltStore.of({
        request: (halt) =>
          queryOne(
            "HaltStore.request",
            Halt,
            sql`
              WITH requested AS (
                INSERT INTO placement_halts (is_halted, reason, requested_by, requested_at)
                VALUES (${halt.isHalted}, ${halt.reason}, ${halt.requestedBy}, ${instant(halt.requestedAt)})
                RETURNING *
              ), recorded AS (${insertActions(
                sql,
                {
                  name: halt.isHalted ? "halt" : "resume",
                  asked: { by: halt.requestedBy, reason: halt.reason },
                  now: halt.requestedAt
                },
                sql`SELECT NULL::text, NULL::text, '{}'::jsonb FROM requested`
              )})
              SELECT id, is_halted, reason, requested_by, requested_at, pg_notify(${channel}, 'halts') FROM requested`
          ),

        restore: restore(db),

        current: queryOption(
          "HaltStore.current",
          Halt,
          sql`SELECT id, is_halted, reason, requested_by, requested_at FROM placement_halts ORDER BY id DESC LIMIT 1`
        ),

        acknowledge: (instanceId, haltId) =>
          queryOption(
            "HaltStore.acknowledge",
            InstanceId,
            sql`
              UPDATE workers SET acknowledged_halt = ${haltId}
              WHERE instance_id = ${instanceId} AND worker = 'executor'
              RETURNING instance_id`
          ).pipe(Effect.map(Option.isSome)),

        waitingFor: waitingFor(db)
      })
    })
  )
}

const InstanceId = Schema.Struct({ instanceId: Schema.String })

const waitingFor =
  ({ sql, query }: Db["Service"]): HaltStore["Service"]["waitingFor"] =>
  (halt, now) =>
    query(
      "HaltStore.waitingFor",
      InstanceId,
      sql`
              SELECT instance_id FROM workers
              WHERE worker = 'executor' AND acknowledged_halt < ${halt.id}
                AND heartbeat_at >= ${instant(now)}::timestamptz - stale_after_millis * interval '1 millisecond'
              UNION
              SELECT c.owner FROM slice_claims c CROSS JOIN LATERAL (
                SELECT FROM slice_queue
                WHERE NOT is_held AND due_at BETWEEN c.first_due_at AND c.last_due_at AND claim = c.id
                ORDER BY due_at LIMIT 1
              ) held
              WHERE ${halt.isHalted} AND NOT c.is_over AND c.lease_expires_at > ${instant(now)}
                AND NOT EXISTS (
                  SELECT FROM workers w
                  WHERE w.instance_id = c.owner AND w.worker = 'executor' AND w.acknowledged_halt >= ${halt.id})
              UNION
              SELECT ${lostClaims} WHERE ${halt.isHalted} AND NOT EXISTS (${settledHistory(sql, null)})
              ORDER BY 1`
    ).pipe(Effect.map((rows) => rows.map((row) => row.instanceId)))

const restore =
  ({ sql, execute }: Db["Service"]): HaltStore["Service"]["restore"] =>
  ({ reason, requestedBy, requestedAt }, now) =>
    execute(
      "HaltStore.restore",
      sql`
        WITH requested AS (
          INSERT INTO placement_halts (is_halted, reason, requested_by, requested_at)
          SELECT true, ${reason}::text, ${requestedBy}::text, ${instant(requestedAt)}::timestamptz WHERE NOT ${isHalted(sql)}
          RETURNING id
        ), recorded AS (${insertActions(
          sql,
          { name: "halt", asked: { by: requestedBy, reason }, now },
          sql`SELECT NULL::text, NULL::text, '{}'::jsonb FROM requested`
        )})
        SELECT pg_notify(${channel}, 'halts') FROM requested`
    )
