import type { Placement } from "../src/broker/Broker.ts"
import type { Exchange } from "./Exchange.ts"
import type { LedgerOrder } from "./LedgerOrder.ts"
import type { RunningProcess } from "./RunningProcess.ts"
import type { Database } from "./store/Database.ts"
import type { World } from "./World.ts"

/** One request to place, from its last check on. */
export interface Send {
  readonly placement: Placement
  readonly process: RunningProcess
  readonly orderId: string
  readonly claimVersion: number
  state: "under way" | "aborted" | "left" | "refused" | "arrived"
  /** When it left the process, in milliseconds of true time. */
  leftMillis: number | null
  order: LedgerOrder | null
}

/** How far a process's clock may be behind the database's: a round trip, and the longest suspension it cannot notice. */
export const clockToleranceMillis = 600

/**
 * The evidence that the parts of the judge share: true time, the tables, the ledger, every request so far, and the
 * violations found.
 */
export class Evidence {
  readonly problems: Array<string> = []
  readonly sends: Array<Send> = []
  /** The latest request of each claim, by `claimKey`. */
  readonly sentClaims = new Map<string, Send>()
  readonly world: World
  readonly database: Database
  readonly exchange: Exchange

  constructor(world: World, database: Database, exchange: Exchange) {
    this.world = world
    this.database = database
    this.exchange = exchange
  }

  reportViolation(problem: string): void {
    this.problems.push(`at ${this.world.seconds.toFixed(3)} s: ${problem}`)
    this.world.traced?.(() => `WRONG: ${problem}`)
  }
}

export const claimKey = (sliceId: string, claimVersion: number): string => `${sliceId}:${claimVersion}`
