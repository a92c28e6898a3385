import { stepOf } from "./DatabaseClockStep.ts"
import { faultRates } from "./faultRates.ts"
import type { Scenario, ScenarioOptions } from "./Scenario.ts"
import { actionsOf, withSecondThoughts } from "./scenarioActions.ts"
import { incidentsOf, kindsOf, outagesOf } from "./scenarioIncidents.ts"
import { ordersOf } from "./scenarioOrders.ts"
import type { SeededChoices } from "./SeededChoices.ts"

/** The maximum by which a process may be behind the database's time unnoticed, after a short suspension. */
const clockErrorSeconds = 0.6

const seconds = (value: number): string => value.toFixed(2)

/** Draws everything about a run that is decided before it starts: settings, faults, orders, incidents and actions. */
export const scenarioOf = (
  chance: SeededChoices,
  secondThoughts: SeededChoices,
  clocks: SeededChoices,
  refusals: SeededChoices,
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
  const slewPpm = clocks.hits(0.7) ? clocks.between(100, 1000) : 0
  const databaseStep = stepOf(clocks, calmFromSeconds)
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
    slewPpm,
    databaseStep,
    isHoleOpen: options.isHoleOpen,
    faults: faultRates(chance, refusals),
    calmFromSeconds,
    orders,
    incidents: incidentsOf(chance, kinds),
    outages: outagesOf(chance, processes, calmFromSeconds),
    failOver: null,
    actions: withSecondThoughts(
      secondThoughts,
      { processes, orders, calmFromSeconds },
      actionsOf(chance, kinds, processes, orders, calmFromSeconds)
    ),
    // A claim or a due time that a process has written as of a time before the step ends that much later.
    restSeconds: 400 + Math.max(0, -(databaseStep?.byMillis ?? 0)) / 1000
  }
}
