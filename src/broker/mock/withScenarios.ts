import { Duration, Effect, Layer, Ref } from "effect"
import type { MockScenario } from "../../config/settings.ts"
import { type BrokerError, BrokerOutcomeUnknown } from "../../domain/model/BrokerError.ts"
import type { Acknowledgement } from "../../domain/model/BrokerOrder.ts"
import { Broker } from "../Broker.ts"
import { Instruction } from "./Instruction.ts"
import { connectionReset, loseAnswer } from "./loseAnswer.ts"

export interface ScenarioOptions {
  /** How long the caller of a `timeout` waits before it gets BrokerOutcomeUnknown. */
  readonly silence: Duration.Duration
}

/**
 * Plays the scenarios in turn, one per placement, over and over:
 * - `success`: nothing changes.
 * - `partial_fill`: the exchange fills a part; the rest stays open.
 * - `rejection`: refused at once and for good.
 * - `late_rejection`: acknowledged, and rejected by the exchange later.
 * - `network_error`: unknown; the connection breaks before the broker has the order, and nothing is placed.
 * - `timeout`: unknown; the broker accepts the order and its answer is lost.
 */
export const withScenarios = (
  scenarios: ReadonlyArray<MockScenario>,
  options: ScenarioOptions = { silence: Duration.zero }
): Layer.Layer<Broker, never, Broker> =>
  Layer.effect(
    Broker,
    Effect.gen(function* () {
      const below = yield* Broker
      const turn = yield* Ref.make(0)
      return Broker.of({
        ...below,
        place: (placement) =>
          Effect.flatMap(
            Ref.getAndUpdate(turn, (turn) => turn + 1),
            (turn) => play(scenarios[turn % scenarios.length] ?? "success", below.place(placement), options)
          )
      })
    })
  )

const play = (
  scenario: MockScenario,
  place: Effect.Effect<Acknowledgement, BrokerError>,
  { silence }: ScenarioOptions
): Effect.Effect<Acknowledgement, BrokerError> => {
  switch (scenario) {
    case "success":
      return place
    case "partial_fill":
      return instructed(place, { fill: "part" })
    case "rejection":
      return instructed(place, { refusal: { code: "MarginException", message: insufficientFunds } })
    case "late_rejection":
      return instructed(place, { rejection: insufficientFunds })
    case "network_error":
      return Effect.fail(connectionReset)
    case "timeout":
      return loseAnswer(place, Effect.andThen(Effect.sleep(silence), Effect.fail(noAnswer)))
  }
}

const instructed = <A, E>(place: Effect.Effect<A, E>, change: Partial<Instruction>) =>
  Effect.updateService(place, Instruction, (before) => ({ ...before, ...change }))

const insufficientFunds = "Insufficient funds."

const noAnswer = new BrokerOutcomeUnknown({ code: "timeout", message: "The broker did not answer." })
