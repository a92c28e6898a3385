import { indianDayOf } from "./kiteTime.ts"

export interface RequestLimits {
  readonly perSecond: number
  readonly perMinute: number
  readonly perDay: number
  /** The maximum number of modifications of one order. */
  readonly modifications: number
}

export type Excess = "second" | "minute" | "day"

/**
 * Rate limits by calendar second, minute and Indian day of the simulator's clock for order requests, and by second for quotes
 * and look-ups. Refused requests count as well.
 */
export class Limits {
  readonly #limits: RequestLimits
  readonly #second = new Bucket()
  readonly #minute = new Bucket()
  readonly #day = new Bucket()
  readonly #quotes = new Bucket()
  readonly #lookups = new Bucket()
  #overLimit = 0

  constructor(limits: RequestLimits) {
    this.#limits = limits
  }

  /** Counts an order request; returns the limit that it exceeds, or null. */
  take(nowMillis: number): Excess | null {
    const inSecond = this.#second.count(Math.floor(nowMillis / 1000))
    const inMinute = this.#minute.count(Math.floor(nowMillis / 60_000))
    const inDay = this.#day.count(indianDayOf(nowMillis))
    const { perSecond, perMinute, perDay } = this.#limits
    const excess = inDay > perDay ? "day" : inSecond > perSecond ? "second" : inMinute > perMinute ? "minute" : null
    if (excess !== null) this.#overLimit++
    return excess
  }

  /** Counts a request for quotes; true if it exceeds one a second. */
  takeQuote(nowMillis: number): boolean {
    const isTooMany = this.#quotes.count(Math.floor(nowMillis / 1000)) > 1
    if (isTooMany) this.#overLimit++
    return isTooMany
  }

  /** Counts a look-up; true if it exceeds `perSecond`. */
  takeLookup(nowMillis: number, perSecond: number): boolean {
    return this.#lookups.count(Math.floor(nowMillis / 1000)) > perSecond
  }

  /** The maximum number of order requests in a calendar second, minute and day, and how many exceeded a limit. */
  get summary() {
    return {
      maxInOneSecond: this.#second.max,
      maxInOneMinute: this.#minute.max,
      maxInOneDay: this.#day.max,
      overLimit: this.#overLimit
    }
  }
}

class Bucket {
  #index = Number.NaN
  #count = 0
  max = 0

  count(index: number): number {
    this.#count = index === this.#index ? this.#count + 1 : 1
    this.#index = index
    this.max = Math.max(this.max, this.#count)
    return this.#count
  }
}
