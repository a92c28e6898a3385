import type { Placement } from "../src/broker/Broker.ts"
import type { Exchange, LedgerOrder } from "./Exchange.ts"
import type { RunningProcess } from "./RunningProcess.ts"
import type { Database } from "./store/Database.ts"
import type { World } from "./World.ts"

/** One request to place, from the moment of its last check on. */
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

/** A process's clock is behind the database's by a round trip and what a suspension may hide, never ahead. */
export const clockToleranceMillis = 600

/** What all parts of the judge share: the true time, the tables, the true ledger, every request, and what was found wrong. */
export class Evidence {
  readonly problems: Array<string> = []
  readonly sends: Array<Send> = []
  /** By slice and claim. */
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
