import { Context, type DateTime, Duration, Effect, Layer, type Option, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { Db } from "../../db/Db.ts"
import { DbError } from "../../db/DbError.ts"
import type { Instance } from "../../runtime/Instance.ts"
import { HeartbeatStore } from "../operations/HeartbeatStore.ts"
import { hasUnfinishedSlices, isHalted } from "../sql/conditions.ts"

/** The database is in use with another broker. Slices of one order must not go to two brokers, nor be looked up at the wrong one. */
export class AnotherBrokerInUse extends Schema.TaggedError<AnotherBrokerInUse>()("AnotherBrokerInUse", {
  ours: Schema.String,
  theirs: Schema.String,
  why: Schema.Literals(["daemons", "slices"])
}) {
  override get message(): string {
    const { ours, theirs } = this
    return this.why === "daemons"
      ? `This daemon's broker is ${ours}, but other daemons on this database place with ${theirs}. ` +
          "Stop them first, wait until their last heartbeat is old (half a minute), or use another database"
      : `This daemon's broker is ${ours}, but slices of this database are not finished at ${theirs}. ` +
          "Let them come to their end there, or give them up (order cancel, slice skip, slice placed), or use another database"
  }
}

/** How long a starting daemon counts as alive before its workers send heartbeats. */
const startsWithin = Duration.seconds(30)

/**
 * Which broker, and which account at it, this database is used with: one row. All daemons on a database place with the same
 * broker. Called when a daemon starts, and when a broker session learns whose account it is.
 */
export class BrokerInUseStore extends Context.Service<
  BrokerInUseStore,
  {
    /**
     * Records this broker as the database's, and this daemon among the live ones. Fails while other daemons place with
     * another broker, or slices are unfinished there. The row's lock makes daemons take it one after the other, so that of
     * two that start at once the second sees the first.
     */
    readonly take: (
      broker: string,
      instance: Instance["Service"],
      now: DateTime.Utc
    ) => Effect.Effect<void, AnotherBrokerInUse | DbError>
    readonly broker: Effect.Effect<string | null, DbError>
    /** The account at the broker; null while it is not known. */
    readonly account: Effect.Effect<string | null, DbError>
    /** Records this account if there is none yet; returns the recorded one. */
    readonly claimAccount: (account: string) => Effect.Effect<string, DbError>
    /**
     * Records this account. It replaces another one only while placements are halted and no slice is unfinished there, so
     * that no daemon still places for the other. Returns the recorded one.
     */
    readonly changeAccount: (account: string) => Effect.Effect<string, DbError>
  }
>()("pulse-background/BrokerInUseStore") {
  static readonly layer: Layer.Layer<BrokerInUseStore, never, Db> = Layer.effect(
    BrokerInUseStore,
    Effect.gen(function* () {
      const db = yield* Db
      return BrokerInUseStore.of({
        take: take(db, yield* HeartbeatStore),
        broker: broker(db),
        account: account(db),
        claimAccount: claimAccount(db),
        changeAccount: changeAccount(db)
      })
    })
  ).pipe(Layer.provide(HeartbeatStore.layer))
}

const Broker = Schema.Struct({ broker: Schema.NullOr(Schema.String) })
const Account = Schema.Struct({ account: Schema.NullOr(Schema.String) })

const only = <A>(row: Option.Option<A>) => Effect.mapError(Effect.fromOption(row), () => noRow)

const locked = ({ sql, queryOption }: Db["Service"]) =>
  Effect.flatMap(queryOption("BrokerInUseStore.lock", Broker, sql`SELECT broker FROM broker_in_use FOR UPDATE`), only)

const check = Effect.fnUntraced(function* (
  { sql, queryOne }: Db["Service"],
  inUse: ReadonlyArray<string>,
  ours: string,
  recorded: string | null
) {
  // Daemons of older versions report the broker without its address.
  const [type = ""] = ours.split(" ")
  const others = inUse.filter((broker) => broker !== ours && broker !== type)
  if (others.length > 0) {
    return yield* new AnotherBrokerInUse({ ours, theirs: others.join(", "), why: "daemons" })
  }
  if (recorded === null || recorded === ours) return
  const { isUnfinished } = yield* queryOne(
    "BrokerInUseStore.unfinished",
    Schema.Struct({ isUnfinished: Schema.Boolean }),
    sql`SELECT ${hasUnfinishedSlices(sql)} AS is_unfinished`
  )
  if (isUnfinished) return yield* new AnotherBrokerInUse({ ours, theirs: recorded, why: "slices" })
})

const set = ({ sql, execute }: Db["Service"], broker: string) =>
  execute(
    "BrokerInUseStore.set",
    sql`UPDATE broker_in_use SET broker = ${broker}, account = CASE WHEN broker IS NULL OR broker = ${broker} THEN account END`
  )

const take =
  (db: Db["Service"], heartbeats: HeartbeatStore["Service"]) =>
  (broker: string, instance: Instance["Service"], now: DateTime.Utc) =>
    db.transaction(
      "BrokerInUseStore.take",
      Effect.gen(function* () {
        const recorded = (yield* locked(db)).broker
        yield* check(db, yield* heartbeats.brokersInUse(now), broker, recorded)
        yield* set(db, broker)
        const beat = { okAt: now, ticks: 0, failedTicks: 0, lastError: null, hold: null, staleAfter: startsWithin }
        const workers = ["splitter", "executor", "monitor"].map((worker) => ({ worker, ...beat }))
        yield* heartbeats.beat({ instance, startedAt: now, broker, heartbeats: workers })
      })
    )

const broker = ({ sql, queryOption }: Db["Service"]) =>
  queryOption("BrokerInUseStore.broker", Broker, sql`SELECT broker FROM broker_in_use`).pipe(
    Effect.flatMap(only),
    Effect.map((row) => row.broker)
  )

const account = ({ sql, queryOption }: Db["Service"]) =>
  queryOption("BrokerInUseStore.account", Account, sql`SELECT account FROM broker_in_use`).pipe(
    Effect.flatMap(only),
    Effect.map((row) => row.account)
  )

/** Writes the account where there is none, or where `mayBeTaken` is true; returns the one that is there then. */
const setAccount = (db: Db["Service"], operation: string, id: string, mayBeTaken: Fragment) =>
  db.execute(operation, db.sql`UPDATE broker_in_use SET account = ${id} WHERE account IS NULL OR ${mayBeTaken}`).pipe(
    Effect.andThen(account(db)),
    Effect.map((now) => now ?? id)
  )

const claimAccount = (db: Db["Service"]) => (id: string) =>
  setAccount(db, "BrokerInUseStore.claimAccount", id, db.sql`false`)

const changeAccount = (db: Db["Service"]) => (id: string) =>
  setAccount(
    db,
    "BrokerInUseStore.changeAccount",
    id,
    db.sql`
      (NOT ${hasUnfinishedSlices(db.sql)} AND ${isHalted(db.sql)})`
  )

const noRow = new DbError({
  operation: "BrokerInUseStore",
  message: "BrokerInUseStore: broker_in_use has no row; migrations put it there",
  isTransient: false,
  sqlState: null
})
