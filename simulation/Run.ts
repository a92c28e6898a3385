import type { CancelRefusals } from "./CancelRefusals.ts"
import type { DatabaseClockStep } from "./DatabaseClockStep.ts"
import type { Exchange } from "./Exchange.ts"
import type { Judge } from "./Judge.ts"
import type { RunningProcess } from "./RunningProcess.ts"
import type { Incident, Scenario } from "./Scenario.ts"
import type { SeededChoices } from "./SeededChoices.ts"
import type { Database } from "./store/Database.ts"
import type { World } from "./World.ts"

/** Counts of what happened in a run, for the report. */
export interface Counts {
  readonly faults: Map<string, number>
  /** By crash point: how often a process was killed or paused there. */
  readonly crashes: Map<string, number>
  brokerOrders: number
  statements: number
}

/** The state that the parts of one simulated run share. It is the only way from one part to another. */
export interface Run {
  readonly world: World
  readonly scenario: Scenario
  readonly chance: SeededChoices
  readonly database: Database
  readonly exchange: Exchange
  readonly cancelRefusals: CancelRefusals
  readonly judge: Judge
  readonly counts: Counts
  readonly databaseStep: DatabaseClockStep
  readonly processes: Map<string, RunningProcess>
  /** The planned incidents, by crash point. */
  readonly incidents: ReadonlyMap<string, Incident>
  /** Sends a notification to every process, as PostgreSQL's NOTIFY does. */
  readonly notify: (topic: string) => void
  /** The n-th placement of the run begins, counted from 1; some actions of operators follow it. */
  readonly placing: (number: number) => void
  /** Starts the next generation of a process, some time after it has ended. */
  readonly restart: (process: RunningProcess) => void
}

export const countFault = ({ counts, world }: Run, kind: string): void => {
  counts.faults.set(kind, (counts.faults.get(kind) ?? 0) + 1)
  world.traced?.(() => `FAULT ${kind}`)
}

/** Whether faults are still injected. The end of a run is free of them, so that everything can come to rest. */
export const isFaulty = ({ world, scenario }: Run): boolean => world.seconds < scenario.calmFromSeconds

/** Draws whether a fault happens now, and counts it if so. */
export const faultHits = (run: Run, kind: string, probability: number): boolean => {
  if (!isFaulty(run) || !run.chance.hits(probability)) return false
  countFault(run, kind)
  return true
}
