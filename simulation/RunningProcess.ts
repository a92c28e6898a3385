import type { IncidentKind } from "./Scenario.ts"

/** A daemon's process as the other parts of a run see it. It exists to keep Run.ts and Process.ts out of an import cycle. */
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
