import { DateTime, Duration, Effect } from "effect"
import type { Broker, Placement } from "../src/broker/Broker.ts"
import { checkDeadline } from "../src/broker/deadline.ts"
import {
  BrokerCredentialsInvalid,
  type BrokerError,
  type BrokerLookupError,
  BrokerRefused,
  BrokerTryLater,
  notConnected,
  tooFastCode
} from "../src/domain/model/BrokerError.ts"
import type { Acknowledgement, FoundOrders } from "../src/domain/model/BrokerOrder.ts"
import type { BrokerOrderId } from "../src/domain/model/Ids.ts"
import { brokerOrderAt } from "./Exchange.ts"
import { PlacementRequest, unknown } from "./PlacementRequest.ts"
import { currentWorker, type Process } from "./Process.ts"
import { countFault, faultHits, isFaulty, type Run } from "./Run.ts"

/** The broker as one process sees it: a network with faults between the process and the exchange. */
export const brokerOf = (process: Process): Broker["Service"] => {
  const { run } = process
  return {
    name: "mock",
    quarantine: Duration.seconds(run.scenario.quarantineSeconds),
    orderListSince: () => DateTime.makeUnsafe(0),
    listsAll: true,
    place: (placement) => place(process, placement),
    findByTag: () => findByTag(process),
    listAll: Effect.succeed({ entries: [], unreadable: [] }),
    quotes: () => Effect.succeed([]),
    cancel: (brokerOrderId) => cancel(process, brokerOrderId),
    changed: Effect.suspend(() => Effect.sleep(Duration.seconds(run.chance.between(1, 8))))
  }
}

/** The crash point before a call. Completes when the process runs, which may be never. */
const gate = (process: Process, worker: string, operation: string): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    process.reach(worker, operation, "before")
    process.enter(() => resume(Effect.void))
  })

const place = (process: Process, placement: Placement): Effect.Effect<Acknowledgement, BrokerError> =>
  Effect.gen(function* () {
    const worker = yield* currentWorker
    yield* gate(process, worker, "Broker.place")
    yield* checkDeadline(placement.deadline)
    const { run } = process
    const refusal = refusalOf(run)
    if (refusal !== null) return yield* refusal
    const send = run.judge.placements.begins(process, placement)
    run.placing(run.judge.sends.length)
    return yield* Effect.callback<Acknowledgement, BrokerError>((resume) => {
      const request = new PlacementRequest(process, worker, send, resume)
      request.begin()
      return Effect.sync(() => request.giveUp())
    })
  })

const inMillis = (run: Run, millis: number): DateTime.Utc =>
  DateTime.makeUnsafe(Math.floor(run.world.nowMillis + millis))

/** Failures before the request reaches the exchange. They certainly have no effect; null when none happens. */
const refusalOf = (run: Run): BrokerError | null => {
  const { place } = run.scenario.faults
  if (faultHits(run, "placement: connection refused", place.refused)) {
    return new BrokerTryLater({ code: notConnected, message: "connection refused", retryAt: inMillis(run, 500) })
  }
  if (faultHits(run, "placement: 429", place.tooFast)) {
    return new BrokerTryLater({ code: tooFastCode, message: "too many requests", retryAt: inMillis(run, 1000) })
  }
  if (faultHits(run, "placement: token refused", place.credentials)) {
    return new BrokerCredentialsInvalid({ kind: "token", message: "the token is not valid" })
  }
  return null
}

const lookUpFailed = (run: Run) =>
  new BrokerTryLater({ code: "503", message: "the order list cannot be read", retryAt: inMillis(run, 1000) })

const findByTag = (process: Process): Effect.Effect<FoundOrders, BrokerLookupError> =>
  Effect.gen(function* () {
    const worker = yield* currentWorker
    yield* gate(process, worker, "Broker.findByTag")
    return yield* Effect.callback<FoundOrders, BrokerLookupError>((resume) => {
      const { run } = process
      const { world, chance, scenario, exchange } = run
      const { lookUp } = scenario.faults
      const answer = (afterMillis: number, result: Effect.Effect<FoundOrders, BrokerLookupError>) =>
        void world.after(afterMillis, () => process.enter(() => resume(result)))
      const timeoutMillis = scenario.brokerTimeoutSeconds * 1000

      world.after(chance.between(0.5, 20), () => {
        process.reach(worker, "Broker.findByTag", "sent")
        if (faultHits(run, "look-up: failed", lookUp.failed)) return answer(chance.between(1, 2000), lookUpFailed(run))
        const isStale = faultHits(run, "look-up: stale order list", lookUp.stale)
        const asOf = world.seconds - (isStale ? chance.upTo(scenario.maxOrderListAgeSeconds) : 0)
        const orders = exchange.ledger
          .filter(({ visibleSeconds }) => visibleSeconds <= asOf)
          .map((order) => brokerOrderAt(order, asOf))
        process.reach(worker, "Broker.findByTag", "done")
        const isSlow = faultHits(run, "look-up: slow answer", lookUp.slow)
        answer(
          isSlow ? chance.between(timeoutMillis / 2, timeoutMillis) : chance.between(1, 40),
          Effect.succeed({ orders, unreadable: [] })
        )
      })
    })
  })

const cancelRefusal = (run: Run, brokerOrderId: BrokerOrderId): BrokerError | null => {
  const refusal = run.cancelRefusals.next(brokerOrderId, run.world.seconds, run.scenario.faults.cancel)
  if (refusal === null || !isFaulty(run)) return null
  countFault(run, `cancel: refused, ${refusal}`)
  return refusal === "address"
    ? new BrokerCredentialsInvalid({ kind: "address", message: "No IPs configured for this app." })
    : new BrokerRefused({ code: "OrderException", message: "Order cannot be cancelled as it is being processed." })
}

const cancel = (process: Process, brokerOrderId: BrokerOrderId): Effect.Effect<void, BrokerError> =>
  Effect.gen(function* () {
    const worker = yield* currentWorker
    yield* gate(process, worker, "Broker.cancel")
    return yield* Effect.callback<void, BrokerError>((resume) => {
      const { run } = process
      const { world, chance, exchange } = run
      const rates = run.scenario.faults.cancel
      const answer = (afterMillis: number, result: Effect.Effect<void, BrokerError>) =>
        void world.after(afterMillis, () => process.enter(() => resume(result)))

      world.after(chance.between(0.5, 20), () => {
        process.reach(worker, "Broker.cancel", "sent")
        if (faultHits(run, "cancel: request lost", rates.requestLost)) return
        const refusal = cancelRefusal(run, brokerOrderId)
        if (refusal !== null) return answer(chance.between(1, 40), refusal)
        const isDone = exchange.cancel(brokerOrderId, world.seconds)
        process.reach(worker, "Broker.cancel", "done")
        if (faultHits(run, "cancel: answer lost", rates.answerLost))
          return answer(chance.between(1, 50), unknown("reset"))
        const refused = new BrokerRefused({ code: "OrderException", message: "it cannot be cancelled" })
        answer(chance.between(1, 40), isDone ? Effect.void : refused)
      })
    })
  })
