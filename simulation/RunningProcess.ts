import type { IncidentKind } from "./Scenario.ts"

/** A daemon's process as the rest of the run sees it: who it is, whether it runs, and what may be done to it. */
export interface RunningProcess {
  readonly id: string
  readonly name: string
  readonly generation: number
  readonly isDead: boolean
  readonly isStanding: boolean
  isEnding: boolean
  enter(task: () => void): void
  inflict(kind: IncidentKind, pauseMillis: number): void
}
