import type { OrderId } from "../model/Ids.ts"
import { isPausedUntil } from "./pause.ts"

interface Wait {
  /** Refusals in a row. */
  readonly count: number
  readonly sinceMillis: number
  readonly untilMillis: number
  /** When the wait is over, one placement finds out whether to go on; until then it has time for that. 0 while none does. */
  readonly probeUntilMillis: number
  readonly words: string
}

const firstWaitMillis = 5000
const longestWaitMillis = 300_000
const longestProbeMillis = 30_000
/** How long the others wait for the answer of the one that finds out. */
const behindProbeMillis = 1000
/** The most orders that are remembered. */
const maxOrders = 10_000

/**
 * Which orders the broker does not take for now, such as a MARKET order before the open. Such an order's slices wait, longer after
 * each refusal in a row, so that a day on which the exchange stays shut does not use up the account's requests. Other orders go on:
 * the reason may be that of one instrument. Plain memory of one process. Moments are milliseconds since 1970.
 */
export class OrderWaits {
  private readonly waits = new Map<OrderId, Wait>()

  /** Until when a placement of the order waits, and the broker's words; null if it may be sent. */
  admit(orderId: OrderId, nowMillis: number): Pick<Wait, "untilMillis" | "words"> | null {
    const wait = this.waits.get(orderId)
    if (wait === undefined) return null
    if (isPausedUntil(nowMillis, wait.untilMillis, longestWaitMillis)) return wait
    if (isPausedUntil(nowMillis, wait.probeUntilMillis, longestProbeMillis)) {
      return { untilMillis: nowMillis + behindProbeMillis, words: wait.words }
    }
    this.waits.set(orderId, { ...wait, probeUntilMillis: nowMillis + longestProbeMillis })
    return null
  }

  /** The broker refused a placement of the order for now, which was sent at `sentMillis`. Returns until when the order waits. */
  refused(orderId: OrderId, words: string, sentMillis: number, nowMillis: number): number {
    const before = this.waits.get(orderId)
    // Several that were sent at the same time count as one.
    if (before !== undefined && sentMillis < before.sinceMillis) return before.untilMillis
    const count = (before?.count ?? 0) + 1
    const untilMillis = nowMillis + Math.min(firstWaitMillis * 2 ** (count - 1), longestWaitMillis)
    this.waits.delete(orderId)
    this.waits.set(orderId, { count, sinceMillis: nowMillis, untilMillis, probeUntilMillis: 0, words })
    const [oldest] = this.waits.keys()
    if (this.waits.size > maxOrders && oldest !== undefined) this.waits.delete(oldest)
    return untilMillis
  }

  /** A placement of the order was not sent, or got no clear answer: the next one finds out. */
  unclear(orderId: OrderId): void {
    const wait = this.waits.get(orderId)
    if (wait !== undefined) this.waits.set(orderId, { ...wait, probeUntilMillis: 0 })
  }

  /** The broker took a placement of the order, or refused it for another reason. */
  ended(orderId: OrderId): void {
    this.waits.delete(orderId)
  }
}
