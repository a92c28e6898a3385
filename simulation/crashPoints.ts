/** The position of a process at an await boundary of one of its workers. */
export type Phase = "before" | "sent" | "done" | "waits"

/** Every call that each worker makes out of its process. */
const calls: Readonly<Record<string, ReadonlyArray<string>>> = {
  splitter: [
    "OrderStore.claimPending",
    "InstrumentStore.markets",
    "OrderStore.completeSplits",
    "OrderStore.failSplits",
    "OrderStore.release"
  ],
  executor: [
    "HaltStore.current",
    "HaltStore.acknowledge",
    "OrderStore.stoppedAmong",
    "SliceStore.claimDue",
    "SliceStore.transition",
    "OrderStore.lastRefusals",
    "DatabaseClock.sample",
    "OrderBudget.reserve",
    "Broker.place"
  ],
  monitor: [
    "RecoveryStore.look",
    "SliceStore.unresolved",
    "SliceStore.open",
    "RecoveryStore.previouslyInDoubt",
    "Broker.findByTag",
    "SliceStore.audit",
    "SettlementStore.current",
    "SettlementStore.slices",
    "SliceStore.transition",
    "SliceStore.saveBrokerStates",
    "OrderStore.lastRefusals",
    "SliceStore.claimCancels",
    "Broker.cancel",
    "SliceStore.cancelAnswered",
    "ReplanStore.wantingPlan",
    "InstrumentStore.markets",
    "ReplanStore.change",
    "OrderStore.releaseStuck",
    "RecoveryStore.skipStale",
    "RecoveryStore.skipCancelled",
    "HeartbeatStore.forget",
    "QuoteStore.prune"
  ],
  daemon: ["DatabaseClock.sample", "LookoutStore.look", "HeartbeatStore.beat", "HeartbeatStore.leave"]
}

const found = ["HistoryStore.tagged", "HistoryStore.adopt", "HistoryStore.noteOrphans"]

/** The calls that only a fault beyond the design's limits reaches, or an order that can have no new plan. */
const rareCalls: Readonly<Record<string, ReadonlyArray<string>>> = {
  executor: ["OrderBudget.block", "OrderCommands.hold", "OrderStore.noteDouble", ...found, "HaltStore.restore"],
  daemon: ["HistoryStore.mark"],
  monitor: [
    "RecoveryStore.takeOver",
    "SliceStore.releaseCancels",
    "SliceStore.stopCancels",
    "OrderStore.noteDouble",
    "SettlementStore.note",
    "SettlementStore.repair",
    "SettlementStore.end",
    "OrderCommands.hold",
    "OrderBudget.reserve",
    "OrderBudget.block",
    "HistoryStore.unsettled",
    "HistoryStore.unprovable",
    "Broker.listAll",
    ...found,
    "HistoryStore.settle"
  ]
}

const phases: ReadonlyArray<Phase> = ["before", "sent", "done"]

/**
 * The name of a point: before a call leaves the process, after it has left and before its effect, after its effect and
 * before its answer, or while a worker waits.
 */
export const pointOf = (worker: string, operation: string, phase: Phase): string =>
  phase === "waits" ? `${worker} waits` : `${worker} ${operation} ${phase}`

const pointsOf = (table: typeof calls): ReadonlyArray<string> =>
  Object.entries(table).flatMap(([worker, operations]) =>
    operations.flatMap((operation) => phases.map((phase) => pointOf(worker, operation, phase)))
  )

/** Every point at which a run can kill or pause a process. A run that reaches one that is not here fails. */
export const crashPoints: ReadonlyArray<string> = [
  ...pointsOf(calls),
  ...["splitter", "executor", "monitor", "daemon"].map((worker) => pointOf(worker, "", "waits"))
]

const rareCrashPoints: ReadonlySet<string> = new Set(pointsOf(rareCalls))

export const knownPoints: ReadonlySet<string> = new Set([...crashPoints, ...rareCrashPoints])
