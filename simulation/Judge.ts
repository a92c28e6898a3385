import { Evidence, type Send } from "./Evidence.ts"
import type { Exchange } from "./Exchange.ts"
import { ExchangeWatch } from "./ExchangeWatch.ts"
import { OperatorPromises } from "./OperatorPromises.ts"
import { PlacementWatch } from "./PlacementWatch.ts"
import type { RunningProcess } from "./RunningProcess.ts"
import { StatementWatch } from "./StatementWatch.ts"
import type { BeforeLoss, Database } from "./store/Database.ts"
import type { OrderRow, Tables } from "./store/rows.ts"
import type { World } from "./World.ts"

/**
 * Watches a run and reports each violation of the service's promise at the moment at which it happens: when a placement
 * begins and leaves (PlacementWatch), when it reaches the exchange (ExchangeWatch), and after each statement
 * (StatementWatch). It knows what the service cannot know, the true time and the true ledger, and never changes the run.
 * Violations that show only at the end of a run are found by runVerdict.ts.
 */
export class Judge {
  /** Filled in by Operators as acknowledgements come. */
  readonly promises: OperatorPromises
  readonly placements: PlacementWatch
  readonly arrivals: ExchangeWatch
  private readonly statements: StatementWatch
  private readonly evidence: Evidence

  constructor(world: World, database: Database, exchange: Exchange) {
    this.evidence = new Evidence(world, database, exchange)
    this.promises = new OperatorPromises(world)
    this.statements = new StatementWatch(this.evidence, this.promises)
    this.placements = new PlacementWatch(this.evidence, this.promises, this.statements)
    this.arrivals = new ExchangeWatch(this.evidence)
  }

  get problems(): ReadonlyArray<string> {
    return this.evidence.problems
  }

  /** Every request to place so far. */
  get sends(): ReadonlyArray<Send> {
    return this.evidence.sends
  }

  /** To be called after each statement that has taken effect. */
  committed(operation: string): void {
    if (operation === "HaltStore.restore") this.promises.haltWritten()
    this.statements.committed(operation)
  }

  /** Orders that only a person can set right, because the database has lost a part of them. */
  isLost(orderId: string): boolean {
    return this.evidence.lostOrders.has(orderId)
  }

  /** The database has gone back to an earlier state. What the service cannot know any more is no promise. */
  forgot(before: BeforeLoss, processes: ReadonlyArray<RunningProcess>): void {
    const { evidence, statements, promises } = this
    const now = evidence.database.tables()
    for (const slice of before.slices.values()) {
      if (slice.stage === "IN_PROGRESS") evidence.lostClaims.set(slice.id, slice)
    }
    for (const order of before.orders.values()) if (hasLostPlan(order, before, now)) evidence.lostOrders.add(order.id)
    for (const send of evidence.sends) send.isBeforeLoss = true
    promises.forgot(before, now, processes)
    statements.forget()
  }

  reportViolation(problem: string): void {
    this.evidence.reportViolation(problem)
  }
}

/** A split is the same when it is made again, but a later plan, or the order itself, may be lost for good. */
const hasLostPlan = (order: Readonly<OrderRow>, before: BeforeLoss, now: Tables): boolean => {
  const left = now.orders.get(order.id)
  if (left === undefined || left.totalQuantity !== order.totalQuantity) return true
  const slices = [...before.slices.values()].filter(({ orderId }) => orderId === order.id)
  const isReplanned = slices.some(({ replacedBy, carriedQuantity }) => replacedBy !== null || carriedQuantity > 0)
  const isLost = slices.some(({ id }) => !now.slices.has(id))
  return isLost && (isReplanned || left.orderQueueStatus === "DONE")
}
