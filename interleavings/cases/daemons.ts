import { BigDecimal, Duration, Effect } from "effect"
import type { InstrumentDetails } from "../../src/domain/market/InstrumentDetails.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import { Instance } from "../../src/runtime/Instance.ts"
import { AnotherBrokerInUse, BrokerInUseStore } from "../../src/stores/account/BrokerInUseStore.ts"
import { InstrumentStore } from "../../src/stores/account/InstrumentStore.ts"
import { OrderBudget } from "../../src/stores/account/OrderBudget.ts"
import { DeliveryStore } from "../../src/stores/operations/DeliveryStore.ts"
import { NotificationStore } from "../../src/stores/operations/NotificationStore.ts"
import { actor, type Case } from "../harness/Case.ts"
import { at, unless } from "./world.ts"

/* What daemons share besides orders and slices: the broker, the instruments, the notifications, the account's budget. */

const start = (name: string, broker: string) =>
  actor(
    `daemon ${name}`,
    Effect.flatMap(BrokerInUseStore, ({ take }) =>
      take(broker, Instance.of({ id: name, hostname: "host", pid: 1, version: "1" }), at(0))
    ),
    { mayFail: (error) => error instanceof AnotherBrokerInUse }
  )

const twoBrokers: Case = {
  name: "two daemons start with different brokers",
  prepare: Effect.succeed(() => {
    const daemons = [start("a", "mock one"), start("b", "mock two")]
    return {
      actors: daemons,
      problems: Effect.sync(() => {
        const started = daemons.filter(({ result }) => result !== null).length
        return unless(started === 1, `${started} daemons started`)
      })
    }
  })
}

const instrument = (symbol: string): InstrumentDetails => ({
  instrument: Instrument.make(`NSE:${symbol}`),
  name: symbol,
  lotSize: 1,
  tickSize: BigDecimal.fromStringUnsafe("0.05"),
  instrumentType: "EQ",
  segment: "NSE",
  expiry: null,
  lastPrice: null,
  token: 1
})

const lists = [
  ["A", "B"],
  ["C", "D"]
] as const

const twoLists: Case = {
  name: "two daemons replace the instrument list",
  prepare: Effect.succeed(() => ({
    actors: lists.map((symbols, number) =>
      actor(
        `daemon ${number + 1}`,
        Effect.flatMap(InstrumentStore, ({ replaceAll }) =>
          replaceAll(
            "mock",
            symbols.map((symbol) => instrument(symbol)),
            at(0)
          )
        )
      )
    ),
    problems: Effect.gen(function* () {
      const { find } = yield* InstrumentStore
      const names = [...(yield* find(lists.flat().map((symbol) => `NSE:${symbol}`))).keys()].toSorted()
      const isOne = lists.some((symbols) => symbols.map((symbol) => `NSE:${symbol}`).join() === names.join())
      return unless(isOne, `the list is of both: ${names.join(", ")}`)
    })
  }))
}

/** Notifications of one kind. */
const notifications = (count: number) =>
  Effect.gen(function* () {
    const { note } = yield* NotificationStore
    for (let number = 1; number <= count; number++) {
      const fact = { key: `test:${number}`, kind: "test", severity: "warning", message: "text" } as const
      yield* note({ ...fact, orderId: null, sliceId: null, reasonCode: null }, at(number))
    }
  })

const claimDelivery = Effect.flatMap(DeliveryStore, ({ claim }) => claim(at(60)))

const twoNotifiers: ReadonlyArray<Case> = [3, 22].map((count) => ({
  name: `two daemons deliver ${count} notifications`,
  prepare: Effect.as(notifications(count), () => {
    const notifiers = ["a", "b"].map((name) => actor(`daemon ${name}`, claimDelivery, { neverWaits: true }))
    return {
      actors: notifiers,
      problems: Effect.sync(() => {
        const deliveries = notifiers.flatMap(({ result }) => (result?._tag === "Some" ? [result.value.delivery] : []))
        const told = deliveries.reduce((sum, delivery) => sum + (delivery.count ?? 1), 0)
        return [
          ...unless(new Set(deliveries.map(({ key }) => key)).size === deliveries.length, "both deliver the same"),
          ...unless(told <= count, `${told} of ${count} notifications are delivered`)
        ]
      })
    }
  })
}))

const limits = { kind: "placement", perSecond: 1, perMinute: 100, perDay: 100, margin: Duration.zero } as const

const twoReservations: Case = {
  name: "two daemons reserve requests of the account",
  prepare: Effect.succeed(() => {
    const daemons = ["a", "b"].map((name) =>
      actor(
        `daemon ${name}`,
        Effect.flatMap(OrderBudget, ({ reserve }) => reserve("zerodha", limits, at(0), at(30)))
      )
    )
    return {
      actors: daemons,
      problems: Effect.sync(() => {
        const times = daemons.flatMap(({ result }) => (result?._tag === "Granted" ? [result.atMillis] : []))
        const [first = 0, second = 0] = times.toSorted((a, b) => a - b)
        return unless(times.length === 2 && second - first >= 1000, `requests leave at ${times.join(" and ")}`)
      })
    }
  })
}

/** What daemons share besides orders and slices. */
export const daemonCases: ReadonlyArray<Case> = [twoBrokers, twoLists, ...twoNotifiers, twoReservations]
