import { Duration, Effect, Logger, type LogLevel } from "effect"
import type { SimulatorOptions } from "../../src/kite-simulator/KiteSimulator.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makePlace } from "../../src/workers/executor/place.ts"
import { makeFollowPlaced } from "../../src/workers/monitor/followPlaced.ts"
import { zerodhaOverSimulator } from "../broker/zerodha/zerodhaOverSimulator.ts"
import { claimDue } from "./replanning.ts"
import { serviceLayer, setClock } from "./service.ts"

/** The seconds in which orders of six minutes are placed. */
const closeLook = 500

/** The service with the Zerodha broker on a Kite simulator, over real HTTP, at any time of the day. */
export const serviceOnKite = (options: Partial<SimulatorOptions> = {}) =>
  serviceLayer({
    broker: zerodhaOverSimulator({
      limits: { perSecond: 1000, perMinute: 10_000, perDay: 10_000, modifications: 25 },
      tokensExpire: false,
      ...options
    }),
    environment: { BROKER_TYPE: "zerodha", ZERODHA_API_KEY: "simulator-key", TRADING_CALENDAR: "off" }
  })

/**
 * A daemon that has just started: the function lets its executor and its monitor make a pass every five seconds, later every
 * twenty, from one second of the test's clock to another.
 */
export const startPasses = Effect.gen(function* () {
  const place = yield* makePlace
  const follow = yield* makeFollowPlaced
  const slices = yield* SliceStore
  const pass = Effect.gen(function* () {
    for (const slice of yield* claimDue()) {
      const { transition, event } = yield* place(slice)
      yield* slices.transition([transition], event === null ? [] : [event])
    }
    yield* follow
  })
  return Effect.fnUntraced(function* (from: number, to: number) {
    for (let second = from; second < to; second += second < closeLook ? 5 : 20) {
      yield* setClock(Duration.seconds(second))
      yield* pass
    }
  })
})

/** What a person who looks at the log sees: lines of level error and fatal, and warnings. */
export const listen = () => {
  const alarms: Array<string> = []
  const warnings: Array<string> = []
  const note = (level: LogLevel.LogLevel, message: unknown) => {
    if (level === "Error" || level === "Fatal") alarms.push(String(message))
    if (level === "Warn") warnings.push(String(message))
  }
  return { alarms, warnings, layer: Logger.layer([Logger.make(({ logLevel, message }) => note(logLevel, message))]) }
}
