import { Context, type DateTime, Duration, Effect, Layer, Schema } from "effect"
import type { Statement } from "effect/sql/Statement"
import { Db, type Sql } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import type { Row } from "../../db/decodeRows.ts"
import { instant, instants, integers, numbers, texts } from "../../db/parameters.ts"
import type { Instance } from "../../runtime/Instance.ts"
import { tableLayout } from "../sql/tableLayout.ts"

/** One worker's heartbeat. Stale when `okAt` is longer ago than `staleAfter`. */
export interface Heartbeat {
  readonly worker: string
  readonly okAt: DateTime.Utc
  readonly ticks: number
  readonly failedTicks: number
  readonly lastError: string | null
  /** The reason why the worker is blocked although it is alive; null when it is not. */
  readonly hold: string | null
  readonly staleAfter: Duration.Duration
}

/** What a daemon says of itself and of its workers. */
export interface Beat {
  readonly instance: Instance["Service"]
  readonly startedAt: DateTime.Utc
  /** The broker it places with, as `brokerIdentity` names it. */
  readonly broker: string
  readonly heartbeats: ReadonlyArray<Heartbeat>
}

export const WorkerRow = Schema.Struct({
  instanceId: Schema.String,
  worker: Schema.String,
  hostname: Schema.String,
  pid: Schema.Int,
  version: Schema.String,
  /** The broker it places with, as `brokerIdentity` names it. */
  broker: Schema.String,
  startedAt: Schema.DateTimeUtcFromDate,
  heartbeatAt: Schema.DateTimeUtcFromDate,
  staleAfterMillis: Schema.Int,
  ticks: Schema.Finite,
  failedTicks: Schema.Finite,
  lastError: Schema.NullOr(Schema.String),
  hold: Schema.NullOr(Schema.String)
})
export type WorkerRow = typeof WorkerRow.Type

/**
 * Heartbeats: one row for each worker of each daemon. A worker is alive while its heartbeat is younger than its `staleAfter`.
 * Written by the supervision in every daemon; read by the commands, and by a daemon that starts to learn of the others.
 */
export class HeartbeatStore extends Context.Service<
  HeartbeatStore,
  {
    /** Writes the heartbeats of a daemon's workers; a running daemon does so with `LookoutStore.look`. */
    readonly beat: (beat: Beat) => Effect.Effect<void, DbError>
    /** The brokers that live daemons place with. */
    readonly brokersInUse: (now: DateTime.Utc) => Effect.Effect<ReadonlyArray<string>, DbError>
    /** Removes this instance's rows after a clean stop. */
    readonly leave: (instance: Instance["Service"]) => Effect.Effect<void, DbError>
    /** Removes the rows of daemons that ended without a clean stop: those whose last heartbeat is older than this. */
    readonly forget: (before: DateTime.Utc) => Effect.Effect<void, DbError>
    /** The workers of all hosts, those of the longest-running instance first. */
    readonly workers: Effect.Effect<ReadonlyArray<WorkerRow>, DbError>
    readonly workersOn: (hostname: string) => Effect.Effect<ReadonlyArray<WorkerRow>, DbError>
  }
>()("pulse-background/HeartbeatStore") {
  static readonly layer: Layer.Layer<HeartbeatStore, never, Db> = Layer.effect(
    HeartbeatStore,
    Effect.gen(function* () {
      const { sql, query, execute } = yield* Db
      const columns = sql.literal(`
        instance_id, worker, hostname, pid, version, broker, started_at, heartbeat_at, stale_after_millis,
        ticks::float8 AS ticks, failed_ticks::float8 AS failed_ticks, last_error, hold`)

      return HeartbeatStore.of({
        beat: (beat) => execute("HeartbeatStore.beat", writeBeat(sql, beat)),
        brokersInUse: (now) =>
          query(
            "HeartbeatStore.brokersInUse",
            Schema.Struct({ broker: Schema.String }),
            sql`
              SELECT DISTINCT broker FROM workers
              WHERE heartbeat_at >= ${instant(now)}::timestamptz - stale_after_millis * interval '1 millisecond'
              ORDER BY broker`
          ).pipe(Effect.map((rows) => rows.map((row) => row.broker))),
        leave: (instance) =>
          execute("HeartbeatStore.leave", sql`DELETE FROM workers WHERE instance_id = ${instance.id}`),
        forget: (before) =>
          execute("HeartbeatStore.forget", sql`DELETE FROM workers WHERE heartbeat_at < ${instant(before)}`),
        workers: query(
          "HeartbeatStore.workers",
          WorkerRow,
          sql`SELECT ${columns} FROM workers ORDER BY started_at, instance_id, worker`
        ),
        workersOn: (hostname) =>
          query(
            "HeartbeatStore.workersOn",
            WorkerRow,
            sql`SELECT ${columns} FROM workers WHERE hostname = ${hostname} ORDER BY started_at, instance_id, worker`
          )
      })
    })
  )
}

/** The statement that writes heartbeats, or a part of one. */
export const writeBeat = (sql: Sql, { instance, startedAt, broker, heartbeats: beats }: Beat): Statement<Row> => sql`
  INSERT INTO workers (instance_id, hostname, pid, version, started_at, broker, layout,
    worker, heartbeat_at, stale_after_millis, ticks, failed_ticks, last_error, hold)
  SELECT ${instance.id}, ${instance.hostname}, ${instance.pid}::int, ${instance.version},
    ${instant(startedAt)}::timestamptz, ${broker}, ${tableLayout}::int, beat.*
  FROM unnest(
    ${texts(beats.map((beat) => beat.worker))},
    ${instants(beats.map((beat) => beat.okAt))},
    ${integers(beats.map((beat) => Math.round(Duration.toMillis(beat.staleAfter))))},
    ${numbers(beats.map((beat) => beat.ticks))},
    ${numbers(beats.map((beat) => beat.failedTicks))},
    ${texts(beats.map((beat) => beat.lastError))},
    ${texts(beats.map((beat) => beat.hold))}
  ) AS beat
  ON CONFLICT (instance_id, worker) DO UPDATE SET
    heartbeat_at = excluded.heartbeat_at, stale_after_millis = excluded.stale_after_millis,
    ticks = excluded.ticks, failed_ticks = excluded.failed_ticks, last_error = excluded.last_error, hold = excluded.hold`
