import type { SeededChoices } from "./SeededChoices.ts"

/** Without a slew, two clocks differ in rate by up to this. */
const driftPpm = 30

/**
 * How a host's clock runs against the database's, which is the true time of a run: with a drift, and slewed every other while,
 * as time synchronisation slews either of the two hosts. Times are whole microseconds.
 */
export class ClockRate {
  private readonly chance: SeededChoices
  private readonly slewPpm: number
  /** The current piece of time with one rate: its start, what the clock showed then, the rate, and its end. */
  private fromMicros: number
  private shownMicros: number
  private ppm = 0
  private untilMicros: number

  constructor(chance: SeededChoices, slewPpm: number, startMicros: number) {
    this.chance = chance
    this.slewPpm = slewPpm
    this.fromMicros = startMicros
    this.shownMicros = startMicros
    this.untilMicros = startMicros
  }

  /** What a clock that was right at the start shows at a time. Times must not go back. */
  shownAt(micros: number): number {
    while (micros >= this.untilMicros) {
      this.shownMicros = this.at(this.untilMicros)
      this.fromMicros = this.untilMicros
      this.untilMicros += Math.round(this.chance.between(1e6, 60e6))
      const drift = this.chance.between(-driftPpm, driftPpm)
      const slew = this.chance.oneOf([-this.slewPpm, 0, 0, this.slewPpm])
      this.ppm = drift + slew
    }
    return this.at(micros)
  }

  private at(micros: number): number {
    return this.shownMicros + Math.floor((micros - this.fromMicros) * (1 + this.ppm * 1e-6))
  }
}
