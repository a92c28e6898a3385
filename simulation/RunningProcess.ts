import type { IncidentKind } from "./Scenario.ts"

/** A daemon's process as the other parts of a run see it. It exists to keep Run.ts and Process.ts out of an import cycle. */
export interface RunningProcess {
  readonly id: string
  readonly name: string
  readonly generation: number
  readonly isDead: boolean
  readonly isStanding: boolean
  isEnding: boolean
  /** By how much its clock may be ahead of the database's, because it cannot know yet that this was set back. */
  readonly mayBeAheadMillis: number
  enter(task: () => void): void
  setWallClockRight(): void
  inflict(kind: IncidentKind, pauseMillis: number): void
}
