import type { Exchange } from "./Exchange.ts"
import type { Judge } from "./Judge.ts"
import type { RunningProcess } from "./RunningProcess.ts"
import type { Incident, Scenario } from "./Scenario.ts"
import type { SeededChoices } from "./SeededChoices.ts"
import type { Database } from "./store/Database.ts"
import type { World } from "./World.ts"

/** What happened in a run, counted. */
export interface Counts {
  readonly faults: Map<string, number>
  /** At which crash points a process was killed or paused. */
  readonly crashes: Map<string, number>
  brokerOrders: number
  statements: number
}

/** All that the parts of one simulated run share. */
export interface Run {
  readonly world: World
  readonly scenario: Scenario
  readonly chance: SeededChoices
  readonly database: Database
  readonly exchange: Exchange
  readonly judge: Judge
  readonly counts: Counts
  readonly processes: Map<string, RunningProcess>
  /** What is planned for which crash point. */
  readonly incidents: ReadonlyMap<string, Incident>
  /** Wakes every process, as the database's notifications do. */
  readonly notify: (topic: string) => void
  /** Tells that the n-th placement of the run has begun. */
  readonly placing: (number: number) => void
  /** Starts a process again, some time after it ended. */
  readonly restart: (process: RunningProcess) => void
}

export const countFault = ({ counts, world }: Run, kind: string): void => {
  counts.faults.set(kind, (counts.faults.get(kind) ?? 0) + 1)
  world.traced?.(() => `FAULT ${kind}`)
}

/** Whether faults still happen: in the end everything has to come to rest without any. */
export const isFaulty = ({ world, scenario }: Run): boolean => world.seconds < scenario.calmFromSeconds

/** Decides whether a fault happens now, and counts it. */
export const faultHits = (run: Run, kind: string, probability: number): boolean => {
  if (!isFaulty(run) || !run.chance.hits(probability)) return false
  countFault(run, kind)
  return true
}
