import type { World } from "./World.ts"

/**
 * Checks the promises to operators: no placement after an acknowledged cancel, during a pause, or after an acknowledged
 * halt.
 */
export class OperatorPromises {
  private readonly cancelled = new Set<string>()
  private readonly pausedOrders = new Set<string>()
  private isHalted = false
  private isHaltCommitted = false
  private readonly world: World

  constructor(world: World) {
    this.world = world
  }

  cancelAcknowledged(orderId: string): void {
    this.cancelled.add(orderId)
    this.world.traced?.(() => `operator: the cancel of ${orderId} is acknowledged`)
  }

  paused(orderId: string, isPaused: boolean): void {
    if (isPaused) this.pausedOrders.add(orderId)
    else this.pausedOrders.delete(orderId)
    this.world.traced?.(() => `operator: ${orderId} ${isPaused ? "is quiet" : "goes on"}`)
  }

  haltRequested(isRequested: boolean): void {
    this.isHaltCommitted = isRequested
  }

  halted(isHalted: boolean): void {
    this.isHalted = isHalted
    this.world.traced?.(() => `operator: ${isHalted ? "halted, all have acknowledged" : "resumes"}`)
  }

  /** A halt stops claims from its commit on; placements only once every daemon has acknowledged it. */
  get isClaimingHalted(): boolean {
    return this.isHaltCommitted
  }

  /** The promises that placing a slice of this order would break now, in words. */
  brokenBy(tag: string, orderId: string): ReadonlyArray<string> {
    return [
      ...(this.cancelled.has(orderId) ? [`${tag} is placed after the cancel of ${orderId}`] : []),
      ...(this.pausedOrders.has(orderId) ? [`${tag} is placed while ${orderId} is paused`] : []),
      ...(this.isHalted ? [`${tag} of ${orderId} is placed after the halt`] : [])
    ]
  }
}
