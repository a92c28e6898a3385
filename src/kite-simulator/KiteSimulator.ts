import { Clock, Context, Duration, Effect, Layer } from "effect"
import type { FaultPlan, ScriptStep } from "./Faults.ts"
import { pushChanges } from "./Feed.ts"
import { serve, type ServerCouldNotListen } from "./KiteServer.ts"
import type { Ledger, Summary } from "./Ledger.ts"
import { Simulation } from "./Simulation.ts"
import { defaultOptions, type SimulatorOptions } from "./SimulatorOptions.ts"

export { type FaultKind, type FaultPlan, type ScriptStep, everyFault } from "./Faults.ts"
export type { Ledger, LedgerOrderRecord, RequestOutcome, RequestRecord, Summary } from "./Ledger.ts"
export { defaultOptions, type SimulatorOptions } from "./SimulatorOptions.ts"
export { ServerCouldNotListen } from "./KiteServer.ts"

/**
 * A server that speaks Zerodha's Kite Connect v3, HTTP and WebSocket, with a simulated exchange behind it. It keeps its
 * orders in memory, and goes wrong as a seed, a plan and a script say.
 */
export class KiteSimulator extends Context.Service<
  KiteSimulator,
  {
    /** `http://127.0.0.1:PORT`, without a slash at the end; with the base path, if there is one. */
    readonly url: string
    /** `ws://127.0.0.1:PORT/feed`. */
    readonly feedUrl: string
    /** A fresh access token. Those before it stay valid. */
    readonly issueToken: Effect.Effect<string>
    /** From now on every token so far is refused. */
    readonly expireTokens: Effect.Effect<void>
    /** Whether orders may come from where they come from. Everything else always works. */
    readonly allowAddress: (allowed: boolean) => Effect.Effect<void>
    /** The next requests meet these faults, in this order. */
    readonly script: (steps: ReadonlyArray<ScriptStep>) => Effect.Effect<void>
    readonly setFaults: (plan: FaultPlan) => Effect.Effect<void>
    /** Puts the simulator's clock forward against Effect's. */
    readonly advanceClock: (by: Duration.Duration) => Effect.Effect<void>
    readonly ledger: Effect.Effect<Ledger>
    readonly summary: Effect.Effect<Summary>
  }
>()("pulse-background/KiteSimulator") {
  static readonly layer = (options: Partial<SimulatorOptions> = {}): Layer.Layer<KiteSimulator, ServerCouldNotListen> =>
    Layer.effect(KiteSimulator, make({ ...defaultOptions, ...options }))
}

const make = Effect.fnUntraced(function* (options: SimulatorOptions) {
  const clock = yield* Clock.Clock
  const simulation = new Simulation(options, () => clock.currentTimeMillisUnsafe())
  const { server, port } = yield* serve(simulation)
  yield* pushChanges(simulation, server)
  return KiteSimulator.of({
    url: `http://${options.host}:${port}${options.basePath}`,
    feedUrl: `ws://${options.host}:${port}/feed`,
    issueToken: Effect.sync(() => simulation.session.issue(simulation.now())),
    expireTokens: Effect.sync(() => simulation.session.expireAll()),
    allowAddress: (allowed) =>
      Effect.sync(() => {
        simulation.addressAllowed = allowed
      }),
    script: (steps) => Effect.sync(() => simulation.faults.script(steps)),
    setFaults: (plan) => Effect.sync(() => simulation.faults.setPlan(plan)),
    advanceClock: (by) => Effect.sync(() => simulation.advance(Duration.toMillis(by))),
    ledger: Effect.sync(() => simulation.ledger),
    summary: Effect.sync(() => simulation.summary)
  })
})
