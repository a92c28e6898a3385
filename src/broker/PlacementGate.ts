import { Context, DateTime, Effect, Latch, Layer, Semaphore, Stream, SubscriptionRef } from "effect"
import { closureKinds, closureOf, refusalOfGate, whenWithdrawn, whileClosed } from "../domain/lifecycle/placement.ts"
import { BrokerNotSent } from "../domain/model/BrokerError.ts"
import type { ClosureKind, GateClosure } from "../domain/model/GateClosure.ts"
import type { SliceId } from "../domain/model/Ids.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"

type Reasons = ReadonlyMap<ClosureKind, string>

/**
 * What keeps this process from placing. A hold costs no slice anything but time: whoever wants to place waits, and what
 * is about to be sent all the same is not sent.
 */
export class PlacementGate extends Context.Service<
  PlacementGate,
  {
    readonly current: Effect.Effect<GateClosure | null>
    readonly close: (kind: ClosureKind, reason: string) => Effect.Effect<void>
    readonly open: (kind: ClosureKind) => Effect.Effect<void>
    /** Returns as soon as there is a hold, or none. */
    readonly until: (isClosed: boolean) => Effect.Effect<void>
    /** Says of which slices the orders were cancelled or are on hold: of all others they are not, or not any more. */
    readonly withdraw: (slices: ReadonlySet<SliceId>) => Effect.Effect<void>
    /** Fails as soon as there is a hold, or the slice is withdrawn, with what whoever is waiting to send is to say. */
    readonly untilClosed: (slice: SliceId) => Effect.Effect<never, BrokerNotSent>
    /** Makes the call for a slice unless there is a hold, or the slice is withdrawn. */
    readonly unlessClosed: <A, E>(slice: SliceId, call: Effect.Effect<A, E>) => Effect.Effect<A, E | BrokerNotSent>
    /** Returns when none of those calls is under way. */
    readonly untilIdle: Effect.Effect<void>
  }
>()("pulse-background/PlacementGate") {
  static readonly layer: Layer.Layer<PlacementGate> = Layer.effect(
    PlacementGate,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const { reasons, change, current, until } = yield* makeClosures
  const withdrawn = yield* SubscriptionRef.make<ReadonlySet<SliceId>>(new Set())
  const calls = yield* makeCallCount

  const untilAnyClosure = Effect.andThen(until(true), current).pipe(
    Effect.flatMap((closure) => notSent(whileClosed(closure?.reason ?? "a hold that is over again")))
  )

  const untilWithdrawn = (slice: SliceId) =>
    SubscriptionRef.changes(withdrawn).pipe(
      Stream.filter((slices) => slices.has(slice)),
      Stream.runHead,
      Effect.andThen(notSent(whenWithdrawn))
    )

  return PlacementGate.of({
    current,
    close: (kind, reason) => change(kind, reason),
    open: (kind) => change(kind, null),
    until,
    withdraw: (slices) => SubscriptionRef.set(withdrawn, slices),
    untilClosed: (slice) => Effect.raceFirst(untilAnyClosure, untilWithdrawn(slice)),
    // Asked and counted in one go: whoever sets a hold and then waits for idleness has waited for this call too.
    unlessClosed: <A, E>(slice: SliceId, call: Effect.Effect<A, E>) =>
      Effect.uninterruptibleMask((restore): Effect.Effect<A, E | BrokerNotSent> => {
        const closure = closureOf(SubscriptionRef.getUnsafe(reasons))
        const refusal = refusalOfGate(closure, SubscriptionRef.getUnsafe(withdrawn).has(slice))
        return refusal === null ? calls.during(restore(call)) : notSent(refusal)
      }),
    untilIdle: calls.untilIdle
  })
})

/** Why the gate is closed, each kind with its reason; told to the metrics and the log when it changes. */
const makeClosures = Effect.gen(function* () {
  const reasons = yield* SubscriptionRef.make<Reasons>(new Map())
  const oneAtATime = yield* Semaphore.make(1)
  const telemetry = yield* Telemetry
  for (const kind of closureKinds) telemetry.held(kind, false)

  const change = (kind: ClosureKind, reason: string | null) =>
    Effect.gen(function* () {
      const before = (yield* SubscriptionRef.get(reasons)).get(kind) ?? null
      if (before === reason) return
      yield* SubscriptionRef.update(reasons, (all) => {
        const others = [...all].filter(([other]) => other !== kind)
        return new Map(reason === null ? others : [...others, [kind, reason]])
      })
      telemetry.held(kind, reason !== null)
      if (reason === null) return yield* Effect.logInfo(`No longer on hold: ${before}`)
      if (kind === "stopping") return yield* Effect.logInfo(`No more placements: ${reason}`)
      // Said once: the same kind of hold with other words is no news for whoever is called at night.
      yield* before === null
        ? Effect.logError(`Placements are on hold: ${reason}`)
        : Effect.logInfo(`Still on hold: ${reason}`)
    }).pipe(Semaphore.withPermits(oneAtATime, 1))

  const current = Effect.map(SubscriptionRef.get(reasons), closureOf)

  const until = (isClosed: boolean) =>
    SubscriptionRef.changes(reasons).pipe(
      Stream.filter((all) => (closureOf(all) !== null) === isClosed),
      Stream.runHead,
      Effect.asVoid
    )

  return { reasons, change, current, until }
})

/** Counts calls that are under way. */
const makeCallCount = Effect.gen(function* () {
  const isIdle = yield* Latch.make(true)
  let inFlight = 0
  const end = Effect.sync(() => {
    inFlight--
    if (inFlight === 0) isIdle.openUnsafe()
  })
  return {
    /** Counts at once, and until the call has ended in any way. */
    during: <A, E>(call: Effect.Effect<A, E>): Effect.Effect<A, E> => {
      if (inFlight === 0) isIdle.closeUnsafe()
      inFlight++
      return Effect.ensuring(call, end)
    },
    /** Returns when no call is under way. */
    untilIdle: Latch.await(isIdle)
  }
})

const notSent = (reason: string): Effect.Effect<never, BrokerNotSent> =>
  Effect.flatMap(DateTime.now, (retryAt) =>
    Effect.fail(new BrokerNotSent({ code: "on_hold", message: `Not sent, ${reason}`, retryAt }))
  )
