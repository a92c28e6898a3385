import { BigDecimal, Duration } from "effect"
import type { OrderType } from "../src/domain/model/Order.ts"
import type { Amendment } from "../src/domain/planning/replan/amend.ts"
import { crashPoints } from "./crashPoints.ts"
import type { SeededChoices } from "./SeededChoices.ts"
import type { SubmittedOrder } from "./store/Database.ts"

/**
 * A process is killed, stopped with its clocks running on (SIGSTOP) or standing still (a suspended host), or somebody sets its
 * host's clock.
 */
export type IncidentKind = "kill" | "freeze" | "suspend" | "set the clock"

/** Something that happens to the process that comes to a crash point for the n-th time. */
export interface Incident {
  readonly point: string
  readonly kind: IncidentKind
  readonly pauseMillis: number
  /** For a worker that waits: how long after it began to. */
  readonly afterMillis: number
  countdown: number
}

/** A time in which one process, or none, can reach the database. */
export interface DatabaseOutage {
  readonly process: string | null
  readonly isAt: (seconds: number) => boolean
}

/** What an operator, or the platform, does: at a time, or soon after the n-th placement has begun. */
export type Action = {
  readonly when: { readonly seconds: number } | { readonly placement: number; readonly afterMillis: number }
} & (
  | { readonly _tag: "Cancel"; readonly orderId: string }
  | { readonly _tag: "Amend"; readonly orderId: string; readonly amendment: Amendment }
  | { readonly _tag: "Pause"; readonly orderId: string; readonly forSeconds: number }
  | { readonly _tag: "Halt"; readonly forSeconds: number }
  | { readonly _tag: "Stop"; readonly process: string }
  | { readonly _tag: "Happen"; readonly process: string; readonly kind: IncidentKind; readonly pauseMillis: number }
)

type Theme = "none" | "late order list" | "slow calls" | "database"

/** How likely each fault is, each time that it can happen. */
const faultRates = (chance: SeededChoices) => {
  const theme = chance.oneOf<Theme>(["none", "none", "late order list", "slow calls", "database"])
  /** Many runs know no fault of a kind, some know little else. */
  const rate = (max: number, of: Theme = "none"): number => {
    if (of !== "none" && of === theme) return max * chance.between(0.6, 1)
    return chance.hits(0.4) ? 0 : max * chance.between(0, 1) ** 2
  }
  return {
    statements: {
      lostBefore: rate(0.15, "database"),
      lostAfter: rate(0.15, "database"),
      slow: rate(0.2, "database"),
      slowestMillis: chance.between(100, 6000)
    },
    place: {
      refused: rate(0.3),
      tooFast: rate(0.3),
      credentials: rate(0.15),
      slowConnect: rate(0.6, "slow calls"),
      rejected: rate(0.15),
      answerLost: rate(0.5),
      serverError: rate(0.4),
      answerLate: rate(0.4, "slow calls"),
      answerTwice: rate(0.5),
      requestLost: rate(0.4),
      arrivalLate: rate(0.8, "late order list"),
      hidden: rate(0.5, "late order list"),
      reset: rate(0.6, "late order list")
    },
    lookUp: { failed: rate(0.4), stale: rate(1, "late order list"), slow: rate(1, "late order list") },
    cancel: { requestLost: rate(0.4), answerLost: rate(0.4) },
    waitForTurn: rate(1),
    notificationLost: rate(1)
  }
}

export interface Scenario {
  readonly processes: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  readonly quarantineSeconds: number
  readonly brokerTimeoutSeconds: number
  /** By then an order that arrives at all is in the book, counted from when its request left. */
  readonly latestArrivalSeconds: number
  readonly maxOrderListAgeSeconds: number
  /** Whether requests may be held back for longer than lease and quarantine together: then nothing can help. */
  readonly isHoleOpen: boolean
  readonly faults: ReturnType<typeof faultRates>
  /** From then on there are no faults. */
  readonly calmFromSeconds: number
  readonly orders: ReadonlyArray<SubmittedOrder & { readonly insertedAtSeconds: number }>
  readonly incidents: ReadonlyArray<Incident>
  readonly outages: ReadonlyArray<DatabaseOutage>
  readonly actions: ReadonlyArray<Action>
  /** Within so many seconds of the calm everything must have come to rest. */
  readonly restSeconds: number
}

/** Lets requests arrive later than any quarantine: the hole that remains, to be shown, not to be run as a rule. */
export interface ScenarioOptions {
  readonly isHoleOpen: boolean
}

/** By so much a process may be behind the database's time without noticing: when it was suspended for less. */
const clockErrorSeconds = 0.6

const seconds = (value: number): string => value.toFixed(2)

/** Everything that the seed decides before a run begins. */
export const scenarioOf = (
  chance: SeededChoices,
  secondThoughts: SeededChoices,
  startMillis: number,
  options: ScenarioOptions
): Scenario => {
  const processes = ["a", "b", "c"].slice(0, chance.whole(2, 3))
  const brokerTimeout = chance.between(1, 3)
  const poll = chance.between(1, 5)
  const claimAhead = chance.between(0, 2)
  const lease = poll + claimAhead + brokerTimeout + chance.between(0.5, 8)
  const quarantine = chance.between(4, 10)
  const calmFromSeconds = chance.between(8, 35)
  const orders = ordersOf(chance, startMillis)
  const kinds = kindsOf(chance)
  const hasShortGrace = chance.hits(0.2)
  return {
    processes,
    environment: {
      ORDER_SPLITTER_POLL_INTERVAL_SECONDS: seconds(chance.between(2, 8)),
      ORDER_SPLITTER_BATCH_SIZE: `${chance.oneOf([1, 2, 100])}`,
      ORDER_SPLIT_TIMEOUT_MINUTES: seconds(chance.between(4, 15) / 60),
      ORDER_SPLIT_MAX_ATTEMPTS: "50",
      ORDER_WINDOW_GRACE_MINUTES: hasShortGrace ? seconds(chance.between(0.02, 0.3)) : "60",
      SLICE_EXECUTOR_POLL_INTERVAL_SECONDS: seconds(poll),
      SLICE_EXECUTOR_CLAIM_AHEAD_SECONDS: seconds(claimAhead),
      SLICE_EXECUTOR_CLAIM_LIMIT: `${chance.oneOf([2, 10, 500])}`,
      SLICE_EXECUTOR_CONCURRENCY: `${chance.oneOf([1, 2, 32])}`,
      SLICE_EXECUTION_TIMEOUT_MINUTES: (lease / 60).toFixed(4),
      SLICE_MAX_ATTEMPTS: chance.hits(0.15) ? "2" : "1000",
      TIMEOUT_MONITOR_POLL_INTERVAL_SECONDS: seconds(chance.between(4, 15)),
      BROKER_POLL_INTERVAL_SECONDS: seconds(chance.between(1.5, 5)),
      BROKER_TIMEOUT_SECONDS: brokerTimeout.toFixed(3),
      BROKER_CIRCUIT_FAILURES: `${chance.whole(2, 6)}`,
      BROKER_CIRCUIT_PAUSE_SECONDS: seconds(chance.between(0.5, 3)),
      CLOCK_SYNC_INTERVAL_SECONDS: seconds(chance.between(10, 40)),
      SHUTDOWN_GRACE_SECONDS: seconds(chance.between(0.5, 4)),
      RECONCILE_QUARANTINE_SECONDS: seconds(quarantine)
    },
    quarantineSeconds: quarantine,
    brokerTimeoutSeconds: brokerTimeout,
    latestArrivalSeconds: options.isHoleOpen ? quarantine * 2 : 0.75 * (quarantine - clockErrorSeconds),
    maxOrderListAgeSeconds: 0.25 * (quarantine - clockErrorSeconds),
    isHoleOpen: options.isHoleOpen,
    faults: faultRates(chance),
    calmFromSeconds,
    orders,
    incidents: incidentsOf(chance, kinds),
    outages: outagesOf(chance, processes, calmFromSeconds),
    actions: withSecondThoughts(
      secondThoughts,
      { processes, orders, calmFromSeconds },
      actionsOf(chance, kinds, processes, orders, calmFromSeconds)
    ),
    restSeconds: 400
  }
}

const ordersOf = (chance: SeededChoices, startMillis: number): Scenario["orders"] =>
  Array.from({ length: chance.whole(1, 4) }, (_, index) => {
    const insertedAtSeconds = chance.hits(0.6) ? 0 : chance.between(0, 10)
    const numSplits = chance.hits(0.1) ? chance.whole(20, 40) : chance.whole(1, 12)
    const orderType = chance.oneOf<OrderType>(["MARKET", "LIMIT"])
    const isInvalid = chance.hits(0.05)
    // Many are half over when they come: a run then takes less time.
    const ageMillis = chance.hits(0.8) ? chance.between(25_000, 58_000) : chance.between(0, 3)
    return {
      id: `o${index}`,
      insertedAtSeconds,
      createdAt: startMillis + Math.round((insertedAtSeconds * 1000 - ageMillis) * 1000) / 1000,
      instrument: isInvalid ? "nonsense" : chance.oneOf(["NSE:INFY", "BSE:SBIN"]),
      side: chance.oneOf(["BUY", "SELL"]),
      orderType,
      limitPrice: orderType === "LIMIT" ? BigDecimal.make(BigInt(chance.whole(9000, 11_000)), 2) : null,
      productType: "CNC",
      validity: chance.oneOf(["DAY", "IOC"]),
      totalQuantity: numSplits * chance.whole(1, 20) + chance.whole(0, 3),
      numSplits,
      durationMinutes: chance.hits(0.3) ? 0 : 1,
      randomize: chance.hits(0.5),
      strategy: "TWAP",
      riskAversion: null,
      weights: null,
      planSeed: null,
      latenessPolicy: chance.oneOf(["SEND", "SEND", "SKIP", "RESPREAD"]),
      maxLatenessSeconds: chance.hits(0.5) ? chance.whole(1, 20) : null,
      cancelUnfilledAfterSeconds: chance.hits(0.3) ? chance.whole(1, 15) : null,
      carryUnfilled: chance.hits(0.3),
      carryRejected: chance.hits(0.3),
      completion: chance.hits(0.25) ? "CROSS" : "REPORT",
      sessionPolicy: "SAME_DAY"
    }
  })

/** A pause that is over soon, or one that outlasts leases. */
const pauseOf = (chance: SeededChoices): number =>
  chance.hits(0.5) ? chance.between(50, 3000) : chance.between(3000, 20_000)

/** A clock that is set back by as much as its host was suspended would hide it: not both in one run. */
const kindsOf = (chance: SeededChoices): readonly [IncidentKind, ...ReadonlyArray<IncidentKind>] => [
  "kill",
  "freeze",
  chance.hits(0.8) ? "suspend" : "set the clock"
]

/** Where most is at stake. */
const pointsOfPlacing: readonly [string, ...ReadonlyArray<string>] = [
  "executor Broker.place before",
  "executor Broker.place sent",
  "executor Broker.place done"
]

const incidentsOf = (chance: SeededChoices, kinds: ReadonlyArray<IncidentKind>): Array<Incident> =>
  Array.from({ length: chance.hits(0.35) ? 0 : chance.whole(1, 6) }, () => ({
    point: chance.hits(0.15) ? chance.oneOf(pointsOfPlacing) : chance.oneOf(["daemon waits", ...crashPoints]),
    kind: chance.oneOf(["kill", ...kinds]),
    pauseMillis: pauseOf(chance),
    afterMillis: chance.between(0, 1000),
    countdown: chance.whole(1, 4)
  }))

const outagesOf = (
  chance: SeededChoices,
  processes: ReadonlyArray<string>,
  calmFromSeconds: number
): Array<DatabaseOutage> =>
  Array.from({ length: chance.hits(0.4) ? chance.whole(1, 2) : 0 }, () => {
    const from = chance.between(0, calmFromSeconds)
    const until = Math.min(from + chance.between(0.5, 15), calmFromSeconds)
    return {
      process: chance.hits(0.5) ? null : (processes[chance.whole(0, processes.length - 1)] ?? null),
      isAt: (at) => at >= from && at < until
    }
  })

const actionsOf = (
  chance: SeededChoices,
  kinds: ReturnType<typeof kindsOf>,
  processes: ReadonlyArray<string>,
  orders: Scenario["orders"],
  calmFromSeconds: number
): Array<Action> => {
  const actions: Array<Action> = []
  const some = () => processes[chance.whole(0, processes.length - 1)] ?? "a"
  const when = () => whenOf(chance, calmFromSeconds)
  for (const { id } of orders) {
    if (chance.hits(0.15)) actions.push({ _tag: "Cancel", orderId: id, when: when() })
    if (chance.hits(0.1)) actions.push({ _tag: "Pause", orderId: id, when: when(), forSeconds: chance.between(1, 15) })
  }
  if (chance.hits(0.25)) actions.push({ _tag: "Halt", when: when(), forSeconds: chance.between(1, 15) })
  if (chance.hits(0.25)) actions.push({ _tag: "Stop", process: some(), when: when() })
  while (chance.hits(0.4)) {
    const kind = chance.oneOf(kinds)
    actions.push({
      _tag: "Happen",
      process: some(),
      kind,
      pauseMillis: pauseOf(chance),
      when: { seconds: chance.between(0, calmFromSeconds) }
    })
  }
  return actions
}

const inMidPlacement = (chance: SeededChoices): Action["when"] => ({
  placement: chance.whole(1, 12),
  afterMillis: chance.between(0, 30)
})

const whenOf = (chance: SeededChoices, calmFromSeconds: number): Action["when"] =>
  chance.hits(0.5) ? inMidPlacement(chance) : { seconds: chance.between(0, calmFromSeconds + 5) }

/** In three of ten runs people change what they have ordered, or take it back while it is split; halts and stops come in mid-placement. */
const withSecondThoughts = (
  chance: SeededChoices,
  { processes, orders, calmFromSeconds }: Pick<Scenario, "processes" | "orders" | "calmFromSeconds">,
  others: ReadonlyArray<Action>
): ReadonlyArray<Action> => {
  if (chance.hits(0.7)) return others
  const actions = [...others]
  // One halt at a time: who ends one ends all.
  if (chance.hits(0.4) && !others.some(({ _tag }) => _tag === "Halt")) {
    actions.push({ _tag: "Halt", when: inMidPlacement(chance), forSeconds: chance.between(1, 15) })
  }
  if (chance.hits(0.4)) {
    const process = processes[chance.whole(0, processes.length - 1)] ?? "a"
    actions.push({ _tag: "Stop", process, when: inMidPlacement(chance) })
  }
  for (const { id, insertedAtSeconds, orderType, totalQuantity } of orders) {
    if (chance.hits(0.15)) {
      actions.push({ _tag: "Cancel", orderId: id, when: { seconds: insertedAtSeconds + chance.between(0, 0.03) } })
    }
    while (chance.hits(0.5)) {
      const amendment: Amendment = {
        remainingQuantity: chance.hits(0.6) ? chance.whole(1, totalQuantity * 2) : null,
        numSlices: chance.hits(0.5) ? chance.whole(1, 12) : null,
        remainingWindow: chance.hits(0.4) ? Duration.minutes(chance.whole(0, 1)) : null,
        limitPrice:
          orderType === "LIMIT" && chance.hits(0.4) ? BigDecimal.make(BigInt(chance.whole(9000, 11_000)), 2) : null,
        note: "operator: changed their mind"
      }
      actions.push({ _tag: "Amend", orderId: id, amendment, when: whenOf(chance, calmFromSeconds) })
    }
  }
  return actions
}
