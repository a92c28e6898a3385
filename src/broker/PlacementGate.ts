import { Context, DateTime, Effect, Latch, Layer, Semaphore, Stream, SubscriptionRef } from "effect"
import {
  closureKinds,
  closureOf,
  type GateRefusal,
  refusalOfGate,
  whenWithdrawn,
  whileClosed
} from "../domain/lifecycle/placement.ts"
import { BrokerNotSent } from "../domain/model/BrokerError.ts"
import type { ClosureKind, GateClosure } from "../domain/model/GateClosure.ts"
import type { SliceId } from "../domain/model/Ids.ts"
import { annotateReason } from "../runtime/annotate.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"

type Reasons = ReadonlyMap<ClosureKind, string>

/**
 * Keeps this whole process from placing: closed by a halt, missing credentials, a limit of the day, the circuit breaker or
 * the executor's stop, and open only when none of them applies. It also knows which fired slices were withdrawn because
 * their order was cancelled or put on hold.
 *
 * A closed gate costs a slice only time. No call starts after `close` has returned, and `untilIdle` then waits for those
 * that had started, which is what an operator's halt acknowledges. Cancels and look-ups do not ask the gate.
 * domain/lifecycle/placement.ts decides which closure is shown, and which way of not placing wins.
 */
export class PlacementGate extends Context.Service<
  PlacementGate,
  {
    readonly current: Effect.Effect<GateClosure | null>
    readonly isClosed: () => boolean
    /** Why it is closed by this kind of closure; null if it is not, whatever else closes it. */
    readonly reasonOf: (kind: ClosureKind) => Effect.Effect<string | null>
    readonly close: (kind: ClosureKind, reason: string) => Effect.Effect<void>
    readonly open: (kind: ClosureKind) => Effect.Effect<void>
    /** Returns as soon as the gate is closed, or open. */
    readonly until: (isClosed: boolean) => Effect.Effect<void>
    /** Sets the slices whose orders are cancelled or on hold; it replaces the previous set. */
    readonly withdraw: (slices: ReadonlySet<SliceId>) => Effect.Effect<void>
    /** Fails with the reason as soon as the gate is closed or the slice is withdrawn. */
    readonly untilClosed: (slice: SliceId) => Effect.Effect<never, BrokerNotSent>
    /** Makes the call for a slice, or fails if the gate is closed or the slice is withdrawn. */
    readonly unlessClosed: <A, E>(slice: SliceId, call: Effect.Effect<A, E>) => Effect.Effect<A, E | BrokerNotSent>
    /** Returns when none of these calls is in flight. */
    readonly untilIdle: Effect.Effect<void>
  }
>()("pulse-background/PlacementGate") {
  static readonly layer: Layer.Layer<PlacementGate> = Layer.effect(
    PlacementGate,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const { reasons, change, current, isClosed, until } = yield* makeClosures
  const withdrawn = yield* SubscriptionRef.make<ReadonlySet<SliceId>>(new Set())
  const calls = makeCallCount()

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
    isClosed,
    reasonOf: (kind) => Effect.map(SubscriptionRef.get(reasons), (all) => all.get(kind) ?? null),
    close: (kind, reason) => change(kind, reason),
    open: (kind) => change(kind, null),
    until,
    withdraw: (slices) => SubscriptionRef.set(withdrawn, slices),
    untilClosed: (slice) => Effect.raceFirst(untilAnyClosure, untilWithdrawn(slice)),
    // The check and the count are one synchronous step: close, then untilIdle, cannot miss a call that passed the check.
    unlessClosed: <A, E>(slice: SliceId, call: Effect.Effect<A, E>) =>
      Effect.uninterruptibleMask((restore): Effect.Effect<A, E | BrokerNotSent> => {
        const closure = closureOf(SubscriptionRef.getUnsafe(reasons))
        const refusal = refusalOfGate(closure, SubscriptionRef.getUnsafe(withdrawn).has(slice))
        return refusal === null ? calls.during(restore(call)) : notSent(refusal)
      }),
    untilIdle: calls.untilIdle
  })
})

/** Why the gate is closed, one reason per kind. Changes go to the metrics and the log. */
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
      // An error pages a person, so a closure that only changes its reason is logged as information.
      yield* (
        before === null
          ? Effect.logError(`Placements are on hold: ${reason}`)
          : Effect.logInfo(`Still on hold: ${reason}`)
      ).pipe(annotateReason("gate_closed"))
    }).pipe(Semaphore.withPermits(oneAtATime, 1))

  const current = Effect.map(SubscriptionRef.get(reasons), closureOf)
  const isClosed = () => closureOf(SubscriptionRef.getUnsafe(reasons)) !== null

  const until = (isClosed: boolean) =>
    SubscriptionRef.changes(reasons).pipe(
      Stream.filter((all) => (closureOf(all) !== null) === isClosed),
      Stream.runHead,
      Effect.asVoid
    )

  return { reasons, change, current, isClosed, until }
})

/** Counts the calls in flight. */
const makeCallCount = () => {
  let inFlight = 0
  /** Opens when no call is in flight; null while nobody waits for that. */
  let idle: Latch.Latch | null = null
  const end = () => {
    inFlight--
    if (inFlight > 0 || idle === null) return Effect.void
    idle.openUnsafe()
    idle = null
    return Effect.void
  }
  return {
    /** Counts the call from now until it has ended in any way. */
    during: <A, E>(call: Effect.Effect<A, E>): Effect.Effect<A, E> => {
      inFlight++
      return Effect.onExit(call, end)
    },
    /** Returns when no call is in flight. */
    untilIdle: Effect.suspend(() => {
      if (inFlight === 0) return Effect.void
      idle ??= Latch.makeUnsafe(false)
      return Effect.asVoid(idle.await)
    })
  }
}

const notSent = ({ code, text }: GateRefusal): Effect.Effect<never, BrokerNotSent> =>
  Effect.flatMap(DateTime.now, (retryAt) =>
    Effect.fail(new BrokerNotSent({ code, message: `Not sent, ${text}`, retryAt }))
  )
