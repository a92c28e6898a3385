import { Clock, Effect, FiberSet, Layer, Queue, References } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { configuredGuards } from "../../broker/layers/BrokerLayer.ts"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { Configuration } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import { unlimited } from "../../domain/limits/preTradeLimits.ts"
import { BrokerOrderId, OrderId, SliceId, Tag } from "../../domain/model/Ids.ts"
import { unknownFacts } from "../../domain/model/MarketFacts.ts"
import { Instrument } from "../../domain/model/Order.ts"
import { type ClaimedSlice, ClaimVersion, sliceKeyOf } from "../../domain/model/OrderSlice.ts"
import { nowMillis } from "../../runtime/nowMillis.ts"
import { silent, Telemetry } from "../../telemetry/Telemetry.ts"
import { makeClaimedSlices } from "./ClaimedSlices.ts"
import { makeFireDue } from "./fireDue.ts"
import type { SliceOutcome } from "./OutcomeWriter.ts"

/** Enough for the engine to compile what a slice passes through. */
const count = 3000
const atOnce = 250

/**
 * Fires slices that are none, through the guards of the broker and to a broker that answers at once, and forgets their outcomes: so
 * the first slices after a start are fired as fast as later ones. It asks and changes nothing outside, whatever the clock, the
 * calendar and the limits say, and takes some tenths of a second. Returns how many were acknowledged. The daemon runs it before its
 * workers.
 */
export const warmUp = Effect.gen(function* () {
  const claimed = yield* makeClaimedSlices
  const inFlight = yield* FiberSet.make<void>()
  const now = yield* Clock.currentTimeMillis
  let [fired, acknowledged] = [0, 0]
  const write = ({ transition }: SliceOutcome) => {
    fired += 1
    if (transition.next._tag === "Processed") acknowledged += 1
  }
  const fireDue = yield* makeFireDue(claimed, inFlight, { write })
  const fireSome = Effect.gen(function* () {
    const until = fired + atOnce
    // Few at a time, so that the heap does not grow for them.
    claimed.queue.add(Array.from({ length: atOnce }, (_, n) => dueSlice(fired + n + 1, now)))
    yield* Queue.offer(claimed.queueChanged, undefined)
    yield* Effect.repeat(Effect.yieldNow, { until: () => fired === until })
  })
  yield* Effect.raceFirst(fireDue, Effect.repeat(fireSome, { until: () => fired === count }))
  return acknowledged
}).pipe(
  Effect.scoped,
  Effect.provide(
    Layer.suspend(() => dryRun),
    { local: true }
  ),
  Effect.provideService(Telemetry, silent),
  Effect.provideService(References.MinimumLogLevel, "None")
)

/** A broker that acknowledges all that passes its guards, with a gate of its own; and nothing that could refuse a slice before. */
const dryRun = Layer.unwrap(
  Effect.gen(function* () {
    const config = yield* Configuration
    const real = yield* Broker
    const clock = yield* DatabaseClock
    const acknowledged = { brokerOrderId: BrokerOrderId.make("dry") }
    const bottom: Layer.Layer<Broker, never, PlacementGate> = Layer.succeed(
      Broker,
      Broker.of({ ...real, place: () => Effect.succeed(acknowledged) })
    )
    return configuredGuards(config)
      .reduce((below, guard) => guard.pipe(Layer.provide(below)), bottom)
      .pipe(
        Layer.provideMerge(PlacementGate.layer),
        Layer.merge(Layer.succeed(TradingHours, TradingHours.fixed(null))),
        Layer.merge(Layer.succeed(Configuration, { ...config, limits: unlimited })),
        Layer.merge(Layer.succeed(DatabaseClock, { ...clock, reliableMillis: nowMillis }))
      )
  })
)

const dueSlice = (n: number, nowMillis: number): ClaimedSlice => ({
  ...unknownFacts,
  key: sliceKeyOf(n, 1),
  id: SliceId.make(`dry${n}`),
  orderId: OrderId.make(`dry${n}`),
  requestId: null,
  traceId: null,
  tag: Tag.make(`DRY${n}`),
  sequenceNumber: 1,
  instrument: Instrument.make("NSE:DRY"),
  side: "BUY",
  orderType: "MARKET",
  limitPrice: null,
  productType: "CNC",
  validity: "DAY",
  market: null,
  referencePrice: null,
  quantity: 1,
  claimVersion: ClaimVersion.make(1),
  attempts: 0,
  notBeforeMillis: nowMillis - 1,
  notAfterMillis: nowMillis + 3_600_000,
  leaseExpiresMillis: nowMillis + 3_600_000,
  scheduledMillis: nowMillis - 1
})
