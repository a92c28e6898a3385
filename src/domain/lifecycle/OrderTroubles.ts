import { Duration } from "effect"
import type { OrderId } from "../model/Ids.ts"
import { maxPause } from "./CircuitBreaker.ts"
import { isPausedUntil } from "./pause.ts"

interface Trouble {
  /** Placements of the order in a row without a clear answer. */
  readonly failures: number
  /** Its next placement may be sent from then on, in milliseconds since 1970. */
  readonly untilMillis: number
}

interface Answer {
  readonly orderId: OrderId
  readonly atMillis: number
}

/** How many placements of an order in a row without a clear answer count as a sign of a broken broker. */
const failuresThatCount = 2
const firstPauseMillis = 15_000
/** How long the answer to another order's placement shows that the broker is well. */
const wellMillis = 60_000
/** How long a probe of the circuit breaker is left to orders without trouble, where there are others. */
const probeMillis = 1000
/** The most orders that are remembered. */
const maxOrders = 10_000

/**
 * Which orders get no clear answers while others do: theirs is a trouble of their own, such as an instrument that the broker
 * chokes on. Such an order waits, longer each time, and no longer counts as a sign of a broken broker, so that it does not stop
 * the desk. Plain memory, owned by the circuit breaker of one process.
 */
export class OrderTroubles {
  private readonly troubles = new Map<OrderId, Trouble>()
  /** The latest answer, and the latest of another order than that. */
  private answers: ReadonlyArray<Answer> = []

  /**
   * From when on a placement of the order may be sent, in milliseconds since 1970; null for now. `probeFromMillis`: since when
   * the open circuit lets one probe pass; null if it is not open.
   */
  waitsUntil(orderId: OrderId, nowMillis: number, probeFromMillis: number | null): number | null {
    const trouble = this.troubles.get(orderId)
    if (trouble === undefined) return null
    const isProbeLeft = probeFromMillis !== null && this.answers.some((answer) => answer.orderId !== orderId)
    const leftUntil = isProbeLeft ? probeFromMillis + probeMillis : 0
    const waits = isPausedUntil(nowMillis, trouble.untilMillis, Duration.toMillis(maxPause))
      ? trouble.untilMillis
      : null
    return isPausedUntil(nowMillis, leftUntil, probeMillis) ? Math.max(waits ?? 0, leftUntil) : waits
  }

  /** A placement of the order got a clear answer. */
  answered(orderId: OrderId, nowMillis: number): void {
    this.troubles.delete(orderId)
    const other = this.answers.find((answer) => answer.orderId !== orderId)
    const latest = { orderId, atMillis: nowMillis }
    this.answers = other === undefined ? [latest] : [latest, other]
  }

  /** A placement of the order got no clear answer; returns whether that is a sign of a broken broker. */
  unclear(orderId: OrderId, nowMillis: number): boolean {
    const failures = (this.troubles.get(orderId)?.failures ?? 0) + 1
    const isItsOwn = failures > failuresThatCount && this.isWellForOthers(orderId, nowMillis)
    const pauseMillis = firstPauseMillis * 2 ** Math.min(failures - failuresThatCount - 1, 10)
    const untilMillis = isItsOwn ? nowMillis + Math.min(pauseMillis, Duration.toMillis(maxPause)) : 0
    this.troubles.delete(orderId)
    this.troubles.set(orderId, { failures, untilMillis })
    const [oldest] = this.troubles.keys()
    if (this.troubles.size > maxOrders && oldest !== undefined) this.troubles.delete(oldest)
    return !isItsOwn
  }

  private isWellForOthers(orderId: OrderId, nowMillis: number): boolean {
    return this.answers.some(
      (answer) => answer.orderId !== orderId && isPausedUntil(nowMillis, answer.atMillis + wellMillis, wellMillis)
    )
  }
}
