import { Clock, Context, Duration, Effect, Layer, Schema } from "effect"
import type { FaultPlan, ScriptStep } from "./Faults.ts"
import { pushChanges } from "./Feed.ts"
import { serve, type ServerCouldNotListen } from "./KiteServer.ts"
import type { Ledger, Summary } from "./Ledger.ts"
import { act, type PersonAction } from "./person.ts"
import type { KiteError } from "./reply.ts"
import { Simulation } from "./Simulation.ts"
import { defaultOptions, type SimulatorOptions } from "./SimulatorOptions.ts"

export { type FaultKind, type FaultPlan, type ScriptStep, everyDiscrepancy, everyFault } from "./Faults.ts"
export type { Ledger, LedgerOrderRecord, RequestOutcome, RequestRecord, Summary } from "./Ledger.ts"
export type { PersonAction } from "./person.ts"
export { defaultOptions, type SimulatorOptions } from "./SimulatorOptions.ts"
export { ServerCouldNotListen } from "./KiteServer.ts"

/** There is no such order, or the broker refuses what the person asks for. */
export class PersonCannot extends Schema.TaggedError<PersonCannot>()("PersonCannot", { message: Schema.String }) {}

/**
 * A server for tests that speaks Zerodha's Kite Connect v3 over HTTP and WebSocket, with a simulated exchange behind it and all
 * state in memory. Each request passes login, limits and faults (Routes, SimulatorSession, Limits, Faults), then reads or
 * changes the order list, whose orders live by orderLife. Faults come from a script, then from a plan and a seed: the same seed
 * and requests give the same faults. Invariant: the ledger records every request and order truthfully, also where the answer was
 * lost or the order list is wrong (discrepancies), so that tests can prove that nothing was placed twice. Used by tests, scripts/ and the command `kite-simulator`.
 */
export class KiteSimulator extends Context.Service<
  KiteSimulator,
  {
    /** `http://127.0.0.1:PORT` and the base path, without a slash at the end. */
    readonly url: string
    /** `ws://127.0.0.1:PORT/feed`. */
    readonly feedUrl: string
    /** Issues a new access token; earlier ones stay valid. */
    readonly issueToken: Effect.Effect<string>
    /** Makes all tokens issued so far invalid. */
    readonly expireTokens: Effect.Effect<void>
    /** Whether order requests from the client's IP address are allowed. Other requests always are. */
    readonly allowAddress: (allowed: boolean) => Effect.Effect<void>
    /** Refuses every cancel with this status, exception and message, until it is called with null. */
    readonly refuseCancels: (refusal: KiteError | null) => Effect.Effect<void>
    /** Schedules faults for the next requests, in this order. */
    readonly script: (steps: ReadonlyArray<ScriptStep>) => Effect.Effect<void>
    /** What a person does in the broker's app, at once. */
    readonly person: (action: PersonAction) => Effect.Effect<void, PersonCannot>
    readonly setFaults: (plan: FaultPlan) => Effect.Effect<void>
    /** Moves the simulator's clock ahead of Effect's Clock. */
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
    refuseCancels: (refusal) =>
      Effect.sync(() => {
        simulation.cancelRefusal = refusal
      }),
    script: (steps) => Effect.sync(() => simulation.faults.script(steps)),
    person: (action) =>
      Effect.suspend(() => {
        const problem = act(simulation, action)
        return problem === null ? Effect.void : Effect.fail(new PersonCannot({ message: problem.message }))
      }),
    setFaults: (plan) => Effect.sync(() => simulation.faults.setPlan(plan)),
    advanceClock: (by) => Effect.sync(() => simulation.advance(Duration.toMillis(by))),
    ledger: Effect.sync(() => simulation.ledger),
    summary: Effect.sync(() => simulation.summary)
  })
})
