import { Clock, DateTime, type Duration, Effect, Layer } from "effect"
import { BrokerNotSent } from "../../domain/model/BrokerError.ts"
import { nowMillis } from "../../runtime/nowMillis.ts"
import type { BudgetLimits, OrderBudget } from "../../stores/account/OrderBudget.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import { Broker, type Placement } from "../Broker.ts"
import { PlacementGate } from "../PlacementGate.ts"
import { makeShareLimits } from "./shareLimits.ts"
import { type DailyLimitPolicy, makeWaitForTurn } from "./waitForTurn.ts"

/**
 * Asks once more whether a placement is due, after its wait: an answer that came meanwhile may have shown that the database's clock
 * was set back, and that the check before the wait was wrong.
 */
const unlessEarly = ({ dueMillis = -Infinity }: Placement): Effect.Effect<void, BrokerNotSent> =>
  Effect.flatMap(nowMillis, (now) =>
    now >= dueMillis
      ? Effect.void
      : Effect.fail(
          new BrokerNotSent({
            code: "rate_limit",
            message: "Not sent: it is not due yet, for the database's clock was set back while it waited for its turn",
            retryAt: DateTime.makeUnsafe(Math.ceil(dueMillis))
          })
        )
  )

export interface RateLimitOptions extends BudgetLimits {
  readonly dailyLimitPolicy: DailyLimitPolicy
  /** How long a cancel, which has no deadline of its own, may wait. */
  readonly maxWait: Duration.Duration
}

/**
 * Keeps order requests (placements and cancels) within the account's limits, counted in the database over all replicas, each within
 * the share of its kind in the day's requests. A request waits for its turn if that comes before its deadline. Look-ups are not counted.
 */
export const withRateLimit = (
  options: RateLimitOptions
): Layer.Layer<Broker, never, Broker | PlacementGate | OrderBudget> =>
  Layer.effect(
    Broker,
    Effect.gen(function* () {
      const below = yield* Broker
      const gate = yield* PlacementGate
      const telemetry = yield* Telemetry
      const waitForTurn = yield* makeWaitForTurn(below.name, options.dailyLimitPolicy)
      const sharing = yield* makeShareLimits(below.name)

      const measured = <E>(wait: Effect.Effect<void, E>) =>
        telemetry.isOn
          ? Effect.gen(function* () {
              const beganMillis = yield* nowMillis
              yield* wait
              telemetry.waitedForTurn({ beganMillis, endedMillis: yield* nowMillis })
            })
          : wait

      const placements = { ...options, kind: "placement" } as const
      return Broker.of({
        ...below,
        // A closing gate ends the wait, so that a halt, a stop or a cancel does not wait for turns.
        place: (placement) =>
          Effect.flatMap(Clock.currentTimeMillis, (nowMillis) =>
            Effect.raceFirst(
              measured(waitForTurn(placements, placement.deadline, placement.dueMillis ?? nowMillis)),
              gate.untilClosed(placement.sliceId)
            )
          ).pipe(Effect.andThen(unlessEarly(placement)), Effect.andThen(sharing("placement", below.place(placement)))),
        cancel: (brokerOrderId, isRepeated = false) =>
          Effect.gen(function* () {
            const now = yield* DateTime.now
            const latest = DateTime.addDuration(now, options.maxWait)
            const kind = isRepeated ? "repeated cancel" : "cancel"
            yield* measured(waitForTurn({ ...options, kind }, latest, DateTime.toEpochMillis(now)))
            yield* sharing(kind, below.cancel(brokerOrderId, isRepeated))
          })
      })
    })
  )
