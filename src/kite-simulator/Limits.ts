import { indianDayOf } from "./kiteTime.ts"

export interface RequestLimits {
  readonly perSecond: number
  readonly perMinute: number
  readonly perDay: number
  /** Of one order. */
  readonly modifications: number
}

export type Excess = "second" | "minute" | "day"

/**
 * Counts order requests by calendar second, minute and Indian day of the server's clock, and requests for quotes by second,
 * refused ones included.
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

  /** Counts a request, and says which limit it breaks. */
  take(nowMillis: number): Excess | null {
    const inSecond = this.#second.count(Math.floor(nowMillis / 1000))
    const inMinute = this.#minute.count(Math.floor(nowMillis / 60_000))
    const inDay = this.#day.count(indianDayOf(nowMillis))
    const { perSecond, perMinute, perDay } = this.#limits
    const excess = inDay > perDay ? "day" : inSecond > perSecond ? "second" : inMinute > perMinute ? "minute" : null
    if (excess !== null) this.#overLimit++
    return excess
  }

  /** Counts a request for quotes, one of which may come in a second, and says whether it is too many. */
  takeQuote(nowMillis: number): boolean {
    const isTooMany = this.#quotes.count(Math.floor(nowMillis / 1000)) > 1
    if (isTooMany) this.#overLimit++
    return isTooMany
  }

  /** The most order requests in any one calendar second, minute and day, and how many broke a limit. */
  /** Counts a look-up by calendar second, and says whether it is too many. */
  takeLookup(nowMillis: number, perSecond: number): boolean {
    return this.#lookups.count(Math.floor(nowMillis / 1000)) > perSecond
  }

  /** The most requests in any one calendar second, minute and day, and how many broke a limit. */
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
