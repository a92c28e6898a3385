import { Context, type DateTime, Duration, Effect, Layer, type Option, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import { DbError } from "../../db/DbError.ts"
import type { Instance } from "../../runtime/Instance.ts"
import { HeartbeatStore } from "../operations/HeartbeatStore.ts"
import { hasUnfinishedSlices } from "../sql/unfinishedSlices.ts"

/** Slices of one order must not go to two brokers, nor be looked for at the wrong one. */
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

/** Until its workers beat by themselves, a daemon that starts counts as alive for so long. */
const startsWithin = Duration.seconds(30)

export class BrokerInUseStore extends Context.Service<
  BrokerInUseStore,
  {
    /**
     * Makes this broker the database's, and the daemon one that others see. Fails while others place with another one, or
     * slices are unfinished there. One daemon after the other: of two that start at once the second sees the first.
     */
    readonly take: (
      broker: string,
      instance: Instance["Service"],
      now: DateTime.Utc
    ) => Effect.Effect<void, AnotherBrokerInUse | DbError>
    readonly broker: Effect.Effect<string | null, DbError>
    /** Whose account it is at the broker; null while that is not known. */
    readonly account: Effect.Effect<string | null, DbError>
    /** Makes it this account if there is none yet; returns the one that it is then. */
    readonly claimAccount: (account: string) => Effect.Effect<string, DbError>
    /**
     * Makes it this account. If it is another's, only while placements are halted and no slice is unfinished there: whoever
     * still places for the other must not go on. Returns the one that it is then.
     */
    readonly changeAccount: (account: string) => Effect.Effect<string, DbError>
  }
>()("pulse-background/BrokerInUseStore") {
  static readonly layer: Layer.Layer<BrokerInUseStore, never, Db> = Layer.effect(
    BrokerInUseStore,
    Effect.suspend(() => make)
  ).pipe(Layer.provide(HeartbeatStore.layer))
}

const Broker = Schema.Struct({ broker: Schema.NullOr(Schema.String) })
const Account = Schema.Struct({ account: Schema.NullOr(Schema.String) })

const make = Effect.gen(function* () {
  const { sql, queryOne, queryOption, execute, transaction } = yield* Db
  const heartbeats = yield* HeartbeatStore
  const only = <A>(row: Option.Option<A>) => Effect.mapError(Effect.fromOption(row), () => noRow)

  const locked = queryOption("BrokerInUseStore.lock", Broker, sql`SELECT broker FROM broker_in_use FOR UPDATE`)

  const check = Effect.fnUntraced(function* (ours: string, recorded: string | null, now: DateTime.Utc) {
    // Daemons of older versions do not tell the address.
    const [type = ""] = ours.split(" ")
    const inUse = yield* heartbeats.brokersInUse(now)
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

  const take = (broker: string, instance: Instance["Service"], now: DateTime.Utc) =>
    transaction(
      "BrokerInUseStore.take",
      Effect.gen(function* () {
        const recorded = (yield* Effect.flatMap(locked, only)).broker
        yield* check(broker, recorded, now)
        yield* execute(
          "BrokerInUseStore.set",
          sql`UPDATE broker_in_use SET broker = ${broker}, account = CASE WHEN broker IS NULL OR broker = ${broker} THEN account END`
        )
        const beat = { okAt: now, ticks: 0, failedTicks: 0, lastError: null, hold: null, staleAfter: startsWithin }
        const workers = ["splitter", "executor", "monitor"].map((worker) => ({ worker, ...beat }))
        yield* heartbeats.beat(instance, now, broker, workers)
      })
    )

  const account = Effect.map(
    Effect.flatMap(queryOption("BrokerInUseStore.account", Account, sql`SELECT account FROM broker_in_use`), only),
    (row) => row.account
  )
  const accountAfter = (operation: string, id: string, mayBeTaken: ReturnType<typeof hasUnfinishedSlices>) =>
    execute(operation, sql`UPDATE broker_in_use SET account = ${id} WHERE account IS NULL OR ${mayBeTaken}`).pipe(
      Effect.andThen(account),
      Effect.map((now) => now ?? id)
    )

  return BrokerInUseStore.of({
    take,
    broker: Effect.map(
      Effect.flatMap(queryOption("BrokerInUseStore.broker", Broker, sql`SELECT broker FROM broker_in_use`), only),
      (row) => row.broker
    ),
    account,
    claimAccount: (id) => accountAfter("BrokerInUseStore.claimAccount", id, sql`false`),
    changeAccount: (id) =>
      accountAfter(
        "BrokerInUseStore.changeAccount",
        id,
        sql`
        (NOT ${hasUnfinishedSlices(sql)} AND (SELECT is_halted FROM placement_halts ORDER BY id DESC LIMIT 1) IS TRUE)`
      )
  })
})

const noRow = new DbError({
  operation: "BrokerInUseStore",
  message: "BrokerInUseStore: broker_in_use has no row; migrations put it there",
  isTransient: false,
  sqlState: null
})
