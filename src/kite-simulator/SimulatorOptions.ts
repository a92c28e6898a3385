import { Duration } from "effect"
import type { FaultPlan } from "./Faults.ts"
import type { RequestLimits } from "./Limits.ts"

export interface SimulatorOptions {
  /** Determines prices, ids, tokens, faults and all variations. */
  readonly seed: string
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** A prefix of all Kite paths, such as `/sandbox`; empty as in production. */
  readonly basePath: string
  readonly apiKey: string
  readonly apiSecret: string
  /** An access token that is valid from the start, or null. */
  readonly accessToken: string | null
  /** Whether tokens expire at the next 06:00 in India. Tests that move the clock far ahead turn it off. */
  readonly tokensExpire: boolean
  readonly limits: RequestLimits
  /** Whether the app has paid for market data; without it requests for quotes are refused. */
  readonly hasMarketData: boolean
  /** The limit on GET requests for orders, trades and the profile. */
  readonly lookupsPerSecond: number
  /** Where the simulator's clock starts, in milliseconds since 1970; null for the time that it is. */
  readonly startsAtMillis: number | null
  /**
   * Whether orders are taken in market hours only, by the built-in calendar, with pre-open, closing auction and the square-off of
   * MIS. Otherwise every hour is like the middle of a session.
   */
  readonly marketHours: boolean
  /** How far prices may be from that of the day's start, in percent; 0 for any price. */
  readonly priceBandPercent: number
  /** The time from an order's arrival in the order list to its end. */
  readonly fillDelay: Duration.Duration
  readonly faults: FaultPlan
  /** The maximum delay until an order whose answer was lost is in the order list. */
  readonly maxDelay: Duration.Duration
  /** The maximum age of a stale order list. */
  readonly maxStaleness: Duration.Duration
}

export const defaultOptions: SimulatorOptions = {
  seed: "kite",
  host: "127.0.0.1",
  port: 0,
  basePath: "",
  apiKey: "simulator-key",
  apiSecret: "simulator-secret",
  accessToken: null,
  tokensExpire: true,
  limits: { perSecond: 10, perMinute: 400, perDay: 5000, modifications: 25 },
  hasMarketData: true,
  lookupsPerSecond: 10,
  startsAtMillis: null,
  marketHours: false,
  priceBandPercent: 0,
  fillDelay: Duration.millis(500),
  faults: {},
  maxDelay: Duration.seconds(90),
  maxStaleness: Duration.seconds(10)
}
