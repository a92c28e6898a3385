import type { SeededChoices } from "./SeededChoices.ts"
import type { World } from "./World.ts"

/** A moment at which the database's clock is set. */
export interface StepOfTheDatabase {
  readonly atSeconds: number
  /** Negative: set back. */
  readonly byMillis: number
  /** When the hosts' wall clocks are set to the database's; daemons do not believe a long step before. Null: never. */
  readonly repairedAtSeconds: number | null
}

/** In two of five runs the database's clock is set once. A long step forward would end quarantines early, by design. */
export const stepOf = (chance: SeededChoices, calmFromSeconds: number): StepOfTheDatabase | null => {
  if (!chance.hits(0.4)) return null
  const atSeconds = chance.between(1, calmFromSeconds)
  switch (chance.oneOf<"forward" | "back" | "far back">(["forward", "back", "far back"])) {
    case "forward":
      return { atSeconds, byMillis: chance.between(20, 400), repairedAtSeconds: null }
    case "back":
      return { atSeconds, byMillis: -chance.between(20, 400), repairedAtSeconds: null }
    case "far back":
      return { atSeconds, byMillis: -farMillis(chance), repairedAtSeconds: atSeconds + chance.between(2, 20) }
  }
}

/** Seconds, and in one of twelve steps up to an hour: until such a run is at rest, much is simulated. */
const farMillis = (chance: SeededChoices): number => {
  const millis = chance.between(600, 5000)
  return millis < 4633 ? millis : 5000 + ((millis - 4633) / 367) * 3_595_000
}

/**
 * The step of a run's database clock. The database's time is the time of the run, so the clocks of all hosts move the other way:
 * forward when it is set back, and they stand still for as long as it is set forward.
 */
export class DatabaseClockStep {
  private readonly world: World
  private readonly step: StepOfTheDatabase | null

  constructor(world: World, step: StepOfTheDatabase | null) {
    this.world = world
    this.step = step
  }

  /** By how much the hosts' clocks have been moved, in microseconds. */
  get hostsMovedMicros(): number {
    const { step } = this
    if (step === null || this.world.seconds < step.atSeconds) return 0
    if (step.byMillis < 0) return Math.round(-step.byMillis * 1000)
    return -Math.round(Math.min(step.byMillis * 1000, (this.world.seconds - step.atSeconds) * 1e6))
  }

  /** Whether an answer of the database shows that its clock was set back: `takenMicros` later, its time would still be possible. */
  isShownBy(takenMicros: number): boolean {
    return this.step !== null && takenMicros < -this.step.byMillis * 1000
  }

  /**
   * By how much a process may be ahead of the database, in milliseconds: until it has read the database's clock after a step
   * back, it cannot know of it. `lastReadMicros` is the last reading that showed it, or would have.
   */
  mayBeAheadMillis(lastReadMicros: number): number {
    const { step, world } = this
    if (step === null || step.byMillis > 0 || world.seconds < step.atSeconds) return 0
    return lastReadMicros < world.startMicros + step.atSeconds * 1e6 ? -step.byMillis : 0
  }
}
