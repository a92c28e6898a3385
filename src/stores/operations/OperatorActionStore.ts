import { Context, DateTime, Effect, Layer, Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import type { ApprovalRequest } from "../../domain/operations/approval.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"

/** One command of an operator that changed something. */
export const OperatorAction = Schema.Struct({
  at: Schema.DateTimeUtcFromDate,
  operator: Schema.String,
  /** The role that was connected; null for what was recorded before it was kept. */
  databaseUser: Schema.NullOr(Schema.String),
  /** The command, such as `order pause`. */
  action: Schema.String,
  reason: Schema.String,
  orderId: Schema.NullOr(Schema.String),
  sliceId: Schema.NullOr(Schema.String),
  /** The slice's number within its order; null once it is pruned. */
  sequenceNumber: Schema.NullOr(Schema.Int),
  details: Schema.Record(Schema.String, Schema.Unknown)
})
export type OperatorAction = typeof OperatorAction.Type

/** A change that needs two people: what it would do, and to what. */
export interface RequestedChange {
  readonly command: string
  readonly orderId?: string
  readonly sliceId?: string
  readonly what: Readonly<Record<string, string | number | null>>
}

const StoredRequest = Schema.Struct({
  operator: Schema.String,
  reason: Schema.String,
  person: Schema.String,
  command: Schema.String,
  until: Schema.DateTimeUtcFromDate,
  isSame: Schema.Boolean,
  isApproved: Schema.Boolean
})

/**
 * The audit of what operators changed. Each row is written by `insertActions` in the statement that makes the change, and
 * never changed. Read by the commands. A change that needs two people has two rows before it, which are written here.
 */
export class OperatorActionStore extends Context.Service<
  OperatorActionStore,
  {
    /** The newest `limit` actions, newest first: those of one order, or all when `orderId` is null. */
    readonly list: (orderId: string | null, limit: number) => Effect.Effect<ReadonlyArray<OperatorAction>, DbError>
    /** Records that a person asks for a change; returns the number of the request. */
    readonly request: (
      change: RequestedChange & { readonly person: string; readonly until: DateTime.Utc },
      asked: Asked,
      now: DateTime.Utc
    ) => Effect.Effect<number, DbError>
    /** The request with this number, compared with what an approving command would do. */
    readonly findRequest: (
      id: number,
      what: RequestedChange["what"]
    ) => Effect.Effect<Option.Option<ApprovalRequest & Pick<typeof StoredRequest.Type, "operator" | "reason">>, DbError>
    /** Records that a person approves a request; false if it was approved before. */
    readonly approve: (
      id: number,
      change: RequestedChange,
      asked: Asked,
      now: DateTime.Utc
    ) => Effect.Effect<boolean, DbError>
  }
>()("pulse-background/OperatorActionStore") {
  static readonly layer: Layer.Layer<OperatorActionStore, never, Db> = Layer.effect(
    OperatorActionStore,
    Effect.gen(function* () {
      const db = yield* Db
      const { sql, query } = db
      return OperatorActionStore.of({
        list: (orderId, limit) =>
          query(
            "OperatorActionStore.list",
            OperatorAction,
            sql`
              SELECT a.at, a.operator, a.database_user, a.action, a.reason, a.order_id, a.slice_id, a.details,
                (p.slice & 1048575)::int AS sequence_number
              FROM operator_actions a LEFT JOIN slice_plan p ON p.id = a.slice_id
              WHERE ${orderId}::text IS NULL OR a.order_id = ${orderId}
              ORDER BY a.id DESC LIMIT ${limit}`
          ),
        request: request(db),
        findRequest: findRequest(db),
        approve: approve(db)
      })
    })
  )
}

const request =
  ({ sql, queryOne }: Db["Service"]): OperatorActionStore["Service"]["request"] =>
  ({ command, orderId, person, sliceId, until, what }, asked, now) =>
    queryOne(
      "OperatorActionStore.request",
      Schema.Struct({ id: Schema.Number }),
      sql`
        WITH recorded AS (${insertActions(
          sql,
          { name: "approval request", asked, now },
          sql`SELECT ${orderId ?? null}::text, ${sliceId ?? null}::text, jsonb_build_object('command', ${command}::text, 'what', ${JSON.stringify(what)}::jsonb,
            'person', ${person}::text, 'until', ${DateTime.formatIso(until)}::text)`
        )} RETURNING id)
        SELECT id::float8 AS id FROM recorded`
    ).pipe(Effect.map(({ id }) => id))

const findRequest =
  ({ sql, queryOption }: Db["Service"]): OperatorActionStore["Service"]["findRequest"] =>
  (id, what) =>
    queryOption(
      "OperatorActionStore.findRequest",
      StoredRequest,
      sql`
        SELECT a.operator, a.reason, a.details ->> 'person' AS person, a.details ->> 'command' AS command,
          (a.details ->> 'until')::timestamptz AS until, a.details -> 'what' = ${JSON.stringify(what)}::jsonb AS is_same,
          EXISTS (SELECT FROM operator_actions b WHERE b.action = 'approval' AND b.details ->> 'request' = a.id::text) AS is_approved
        FROM operator_actions a WHERE a.id = ${id} AND a.action = 'approval request'`
    )

const approve =
  ({ sql, queryOption }: Db["Service"]): OperatorActionStore["Service"]["approve"] =>
  (id, { command, orderId, sliceId }, asked, now) =>
    queryOption(
      "OperatorActionStore.approve",
      Schema.Struct({ isRecorded: Schema.Boolean }),
      sql`
        WITH recorded AS (${insertActions(
          sql,
          { name: "approval", asked, now },
          sql`SELECT ${orderId ?? null}::text, ${sliceId ?? null}::text, jsonb_build_object('request', ${id}::bigint, 'command', ${command}::text)`
        )} ON CONFLICT DO NOTHING RETURNING id)
        SELECT true AS is_recorded FROM recorded`
    ).pipe(Effect.map(Option.isSome))
