import { BigDecimal, Effect, Layer } from "effect"
import { BrokerNotSent } from "../../domain/model/BrokerError.ts"
import { Broker, type Placement } from "../Broker.ts"

/** Sends no order request: each fails with BrokerNotSent, which tells what would have been sent. Look-ups are made. */
export const withDryRun: Layer.Layer<Broker, never, Broker> = Layer.effect(
  Broker,
  Effect.map(Broker, (below) =>
    Broker.of({
      ...below,
      place: (placement) => notSent(`would have sent ${describe(placement)}`),
      cancel: (brokerOrderId) => notSent(`would have cancelled ${brokerOrderId}`)
    })
  )
)

const notSent = (what: string) =>
  Effect.fail(new BrokerNotSent({ code: "dry_run", message: `dry run: ${what}`, retryAt: null }))

const describe = (placement: Placement): string =>
  [
    placement.side,
    placement.quantity,
    placement.instrument,
    placement.limitPrice === null ? placement.orderType : `LIMIT ${BigDecimal.format(placement.limitPrice)}`,
    placement.productType,
    placement.validity,
    `tag ${placement.tag}`
  ].join(" ")
