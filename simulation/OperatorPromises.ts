import type { RunningProcess } from "./RunningProcess.ts"
import type { BeforeLoss } from "./store/Database.ts"
import type { Tables } from "./store/rows.ts"
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
  /** The processes that have obeyed a halt which the database has lost; null unless it has. */
  private witnesses: ReadonlyArray<RunningProcess> | null = null
  /** The operator's halt is lost, and no process knows of it. */
  isHaltLost = false
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

  /** A promise that the database has lost counts only as long as a process remembers it: halts alone are remembered. */
  forgot(before: BeforeLoss, now: Tables, processes: ReadonlyArray<RunningProcess>): void {
    for (const id of this.cancelled)
      if ((now.orders.get(id)?.cancelRequestedAt ?? null) === null) this.cancelled.delete(id)
    for (const id of this.pausedOrders)
      if ((now.orders.get(id)?.holdReason ?? null) === null) this.pausedOrders.delete(id)
    const halt = before.halts.at(-1)
    if (halt?.isHalted !== true || now.halts.at(-1)?.isHalted === true) return
    const hasObeyed = ({ id }: RunningProcess) =>
      (before.workers.get(`${id}/executor`)?.acknowledgedHalt ?? 0) >= halt.id
    this.witnesses = this.isHalted ? processes.filter(hasObeyed) : []
    this.look()
  }

  /** To be called at each statement: a witness that does not run all the time may come too late. */
  look(): void {
    if (this.witnesses === null) return
    this.witnesses = this.witnesses.filter((process) => !process.isDead && !process.isStanding && !process.isEnding)
    if (this.witnesses.length > 0) return
    this.world.traced?.(() => "operator: nobody knows of the halt any more")
    this.witnesses = null
    this.isHaltLost = true
    this.halted(false)
    this.haltRequested(false)
  }

  /** A process has written the lost halt again. */
  haltWritten(): void {
    this.witnesses = null
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
