import { Duration } from "effect"
import type { FaultPlan } from "./Faults.ts"
import type { RequestLimits } from "./Limits.ts"

export interface SimulatorOptions {
  /** Decides prices, ids, tokens, faults and every variation. */
  readonly seed: string
  readonly host: string
  /** 0 is any free port. */
  readonly port: number
  /** Before every path of Kite's, such as `/sandbox`; empty as in production. */
  readonly basePath: string
  readonly apiKey: string
  readonly apiSecret: string
  /** An access token that is valid from the start; null for none. */
  readonly accessToken: string | null
  /** Tokens end at the next 06:00 in India. Without it they last: for tests that go far ahead in time. */
  readonly tokensExpire: boolean
  readonly limits: RequestLimits
  /** The app may ask for quotes: free ones may not. */
  readonly hasMarketData: boolean
  /** Of orders, trades and the profile. */
  readonly lookupsPerSecond: number
  /** From an order's arrival in the book to its end. */
  readonly fillDelay: Duration.Duration
  readonly faults: FaultPlan
  /** The latest that an order whose answer was lost appears in the book. */
  readonly maxDelay: Duration.Duration
  /** The oldest that a stale book is. */
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
  fillDelay: Duration.millis(500),
  faults: {},
  maxDelay: Duration.seconds(90),
  maxStaleness: Duration.seconds(10)
}
