import type { Effect, Exit } from "effect"
import type { DbError } from "../../src/db/DbError.ts"
import type { SplittableOrder } from "../../src/domain/model/Order.ts"
import type { InstrumentStore } from "../../src/stores/account/InstrumentStore.ts"
import type { QuoteStore } from "../../src/stores/account/QuoteStore.ts"
import type { SettlementStore } from "../../src/stores/account/SettlementStore.ts"
import type { HaltStore } from "../../src/stores/operations/HaltStore.ts"
import type { HeartbeatStore } from "../../src/stores/operations/HeartbeatStore.ts"
import type { HistoryStore } from "../../src/stores/operations/HistoryStore.ts"
import type { LookoutStore } from "../../src/stores/operations/LookoutStore.ts"
import type { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import type { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import type { ReplanStore } from "../../src/stores/orders/ReplanStore.ts"
import type { RecoveryStore } from "../../src/stores/slices/RecoveryStore.ts"
import type { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import type { Tables, WorkerRow } from "./rows.ts"

/** The statements that the workers and the operators of a run call. */
export interface Stores {
  readonly orders: OrderStore["Service"]
  readonly slices: SliceStore["Service"]
  readonly recovery: RecoveryStore["Service"]
  readonly settlement: SettlementStore["Service"]
  readonly replans: ReplanStore["Service"]
  readonly halts: HaltStore["Service"]
  readonly heartbeats: Pick<HeartbeatStore["Service"], "beat" | "leave" | "forget">
  readonly lookout: LookoutStore["Service"]
  readonly history: HistoryStore["Service"]
  readonly commands: Pick<OrderCommands["Service"], "pause" | "hold" | "resume" | "requestCancel">
  readonly quotes: Pick<QuoteStore["Service"], "prune">
  readonly instruments: Pick<InstrumentStore["Service"], "markets">
}

/** An order as pulse-api inserts it, valid or not. */
export type SubmittedOrder = Omit<SplittableOrder, "id" | "instrument"> & {
  readonly id: string
  readonly instrument: string
  /** Milliseconds since 1970, with fractions as PostgreSQL keeps them. */
  readonly createdAt: number
}

/** The statements that change nothing that the judge looks at during a run. */
export const readOnlyOperations: ReadonlySet<string> = new Set([
  "RecoveryStore.look",
  "SliceStore.unresolved",
  "SliceStore.open",
  "SettlementStore.slices",
  "SettlementStore.current",
  "SettlementStore.end",
  "SliceStore.audit",
  "ReplanStore.wantingPlan",
  "InstrumentStore.markets",
  "HaltStore.current",
  "HaltStore.acknowledge",
  "HaltStore.waitingFor",
  "OrderStore.stoppedAmong",
  "OrderStore.lastRefusals",
  "OrderBudget.reserve",
  "OrderBudget.block",
  "RecoveryStore.previouslyInDoubt",
  "QuoteStore.prune",
  "DatabaseClock.sample",
  "LookoutStore.look",
  "HeartbeatStore.beat",
  "HeartbeatStore.leave",
  "HeartbeatStore.forget",
  "HistoryStore.mark",
  "HistoryStore.unsettled",
  "HistoryStore.tagged",
  "HistoryStore.noteOrphans",
  "HistoryStore.settle"
])

/** What a server had that fails, to compare what is left with. */
export interface BeforeLoss extends Tables {
  readonly workers: ReadonlyMap<string, Readonly<WorkerRow>>
}

/** A database to run on. Each statement takes effect at one moment, completely or not at all. */
export interface Database {
  readonly stores: Stores
  readonly insertOrder: (order: SubmittedOrder) => Effect.Effect<void, DbError>
  /** Lets a statement take effect now. */
  readonly run: <A, E>(operation: string, statement: Effect.Effect<A, E>) => Exit.Exit<A, E> | Promise<Exit.Exit<A, E>>
  /** The tables after the last statement. */
  readonly tables: () => Tables
  /** Keeps what is committed now, as a standby has it. The answer makes the standby the server, on a new timeline. Null: it has none. */
  readonly standby: (() => () => BeforeLoss) | null
}
