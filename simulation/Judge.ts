import { Evidence, type Send } from "./Evidence.ts"
import type { Exchange } from "./Exchange.ts"
import { ExchangeWatch } from "./ExchangeWatch.ts"
import { OperatorPromises } from "./OperatorPromises.ts"
import { PlacementWatch } from "./PlacementWatch.ts"
import { StatementWatch } from "./StatementWatch.ts"
import type { Database } from "./store/Database.ts"
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
    this.statements.committed(operation)
  }

  reportViolation(problem: string): void {
    this.evidence.reportViolation(problem)
  }
}
