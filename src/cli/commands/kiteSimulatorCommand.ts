import { DateTime, Duration, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { indianMoment } from "../../domain/market/indianTime.ts"
import { defaultOptions, everyDiscrepancy, everyFault, KiteSimulator } from "../../kite-simulator/KiteSimulator.ts"
import { CommandFailed, say } from "../shared/environment.ts"
import { maxIdLength, textFlag, wholeFlag } from "../shared/flags.ts"

const { limits } = defaultOptions

const wholeNumber = (name: string, otherwise: number, description: string) =>
  wholeFlag(name, { minimum: 0, maximum: 100_000_000 }).pipe(
    Flag.withDescription(`${description} (${otherwise})`),
    Flag.withDefault(otherwise)
  )

const text = (name: string, otherwise: string, description: string) =>
  textFlag(name, maxIdLength).pipe(Flag.withDescription(`${description} (${otherwise})`), Flag.withDefault(otherwise))

const share = (name: string, description: string) =>
  Flag.Finite(name).pipe(
    Flag.filter(
      (rate) => rate >= 0 && rate <= 1,
      (rate) => `must be from 0 to 1, but is ${rate}`
    ),
    Flag.withDescription(description),
    Flag.withDefault(0)
  )

const flags = {
  port: wholeNumber("port", 8765, "The port; 0 is any free one"),
  host: text("host", defaultOptions.host, "The address to listen on"),
  seed: text("seed", defaultOptions.seed, "Decides prices, ids and faults"),
  faultRate: share("fault-rate", "The share of requests that go wrong, 0 to 1 (0)"),
  discrepancyRate: share(
    "discrepancy-rate",
    "The share of placements of which the order list or the trades then tell something wrong, 0 to 1 (0)"
  ),
  marketHours: Flag.Boolean("market-hours").pipe(
    Flag.withDescription(
      "Take orders in market hours only, with pre-open, closing auction and square-off, by the built-in calendar"
    ),
    Flag.withDefault(false)
  ),
  priceBandPercent: wholeNumber("price-band-percent", 0, "How far prices may be from the day's first one; 0 for any"),
  startsAt: textFlag("starts-at", maxIdLength).pipe(
    Flag.withDescription(
      "Where its clock starts: a time of today in India such as 09:14, or a moment such as 2026-12-01T09:14:00+05:30 (now)"
    ),
    Flag.optional
  ),
  maxDelaySeconds: wholeNumber("longest-delay-seconds", 90, "The latest that an order of a lost answer appears"),
  maxStalenessSeconds: wholeNumber("longest-staleness-seconds", 10, "The oldest that a stale order list is"),
  fillDelayMillis: wholeNumber("fill-delay-millis", 500, "From an order's arrival to its fill"),
  perSecond: wholeNumber("orders-per-second", limits.perSecond, "Order requests in a calendar second"),
  perMinute: wholeNumber("orders-per-minute", limits.perMinute, "Order requests in a calendar minute"),
  perDay: wholeNumber("orders-per-day", limits.perDay, "Order requests in an Indian day"),
  apiKey: text("api-key", defaultOptions.apiKey, "The one API key"),
  apiSecret: text("api-secret", defaultOptions.apiSecret, "Its secret"),
  accessToken: textFlag("access-token", maxIdLength).pipe(
    Flag.withDescription("A token that is valid from the start (one that the seed decides)"),
    Flag.optional
  )
}

/** Runs the Kite simulator as a process of its own. */
export const kiteSimulatorCommand = Command.make(
  "kite-simulator",
  flags,
  Effect.fnUntraced(function* (given) {
    if (given.port > 65_535) return yield* new CommandFailed({ message: `There is no port ${given.port}` })
    if (given.priceBandPercent > 50) {
      return yield* new CommandFailed({ message: "--price-band-percent must be from 0 to 50" })
    }
    const layer = KiteSimulator.layer({
      marketHours: given.marketHours,
      priceBandPercent: given.priceBandPercent,
      startsAtMillis: yield* startMillisOf(given.startsAt),
      seed: given.seed,
      host: given.host,
      port: given.port,
      apiKey: given.apiKey,
      apiSecret: given.apiSecret,
      accessToken: Option.getOrNull(given.accessToken),
      limits: { ...limits, perSecond: given.perSecond, perMinute: given.perMinute, perDay: given.perDay },
      fillDelay: Duration.millis(given.fillDelayMillis),
      faults: { ...everyFault(given.faultRate), ...everyDiscrepancy(given.discrepancyRate) },
      maxDelay: Duration.seconds(given.maxDelaySeconds),
      maxStaleness: Duration.seconds(given.maxStalenessSeconds)
    })
    return yield* Effect.provide(runSimulator(given.apiKey, given.accessToken), layer)
  })
).pipe(
  Command.withDescription("Run a server that speaks Kite Connect, with a simulated exchange, to try the service on")
)

/** The start of the clock in milliseconds since 1970; null for the time that it is. */
const startMillisOf = Effect.fnUntraced(function* (startsAt: Option.Option<string>) {
  if (Option.isNone(startsAt)) return null
  const at = Option.getOrNull(indianMoment(startsAt.value, yield* DateTime.now))
  if (at !== null) return DateTime.toEpochMillis(at)
  return yield* new CommandFailed({
    message: `--starts-at must be a time in India such as 09:14, or a moment with its zone, not ${startsAt.value}`
  })
})

const runSimulator = Effect.fnUntraced(function* (apiKey: string, accessToken: Option.Option<string>) {
  const simulator = yield* KiteSimulator
  const token = Option.isSome(accessToken) ? accessToken.value : yield* simulator.issueToken
  yield* say(`Kite simulator listening on ${simulator.url} (api key ${apiKey}, access token ${token})`)
  return yield* Effect.onInterrupt(Effect.never, () =>
    Effect.sync(() => {
      process.exitCode = 0
    })
  )
})
