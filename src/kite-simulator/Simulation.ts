import { Duration } from "effect"
import { Faults } from "./Faults.ts"
import { type Ledger, ordersOf, type RequestRecord, type Summary, summaryOf } from "./Ledger.ts"
import { Limits } from "./Limits.ts"
import { OrderList } from "./OrderList.ts"
import type { KiteError } from "./reply.ts"
import type { SimulatorOptions } from "./SimulatorOptions.ts"
import { SimulatorSession } from "./SimulatorSession.ts"

/** The state and the clock of one simulator. All methods are synchronous, so each request is atomic. */
export class Simulation {
  readonly options: SimulatorOptions
  readonly session: SimulatorSession
  readonly limits: Limits
  readonly faults: Faults
  readonly orderList: OrderList
  readonly maxDelayMillis: number
  readonly maxStalenessMillis: number
  /** Whether order requests from the client's IP address are allowed. */
  addressAllowed = true
  /** The answer to every cancel of a known order; null to cancel it. */
  cancelRefusal: KiteError | null = null
  readonly #currentMillis: () => number
  #offsetMillis = 0
  readonly #requests: Array<RequestRecord> = []
  readonly #listeners = new Set<() => void>()

  /** `currentMillis` is the clock to which `advance` adds its offset. */
  constructor(options: SimulatorOptions, currentMillis: () => number) {
    this.options = options
    this.#currentMillis = currentMillis
    if (options.startsAtMillis !== null) this.#offsetMillis = options.startsAtMillis - Math.floor(currentMillis())
    this.session = new SimulatorSession(options)
    this.limits = new Limits(options.limits)
    this.faults = new Faults(options.seed, options.faults)
    this.orderList = new OrderList(options)
    this.maxDelayMillis = Duration.toMillis(options.maxDelay)
    this.maxStalenessMillis = Duration.toMillis(options.maxStaleness)
    if (options.accessToken !== null) this.session.issue(this.now(), options.accessToken)
  }

  /** Milliseconds since 1970 on the simulator's clock. */
  now(): number {
    return Math.floor(this.#currentMillis()) + this.#offsetMillis
  }

  advance(millis: number): void {
    this.#offsetMillis += Math.floor(millis)
    this.changed()
  }

  record(request: RequestRecord): void {
    this.#requests.push(request)
  }

  /** Notifies the listeners that the future of orders may have changed. */
  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  get ledger(): Ledger {
    return { requests: [...this.#requests], orders: ordersOf(this.orderList, this.now()) }
  }

  get summary(): Summary {
    return summaryOf(this.#requests, this.orderList, this.faults, this.limits)
  }
}
