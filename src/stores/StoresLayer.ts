import { Layer } from "effect"
import { BrokerInUseStore } from "./account/BrokerInUseStore.ts"
import { DayTotalStore } from "./account/DayTotalStore.ts"
import { InstrumentStore } from "./account/InstrumentStore.ts"
import { OrderBudget } from "./account/OrderBudget.ts"
import { QuoteStore } from "./account/QuoteStore.ts"
import { SettlementStore } from "./account/SettlementStore.ts"
import { AuditStore } from "./operations/AuditStore.ts"
import { BacklogStore } from "./operations/BacklogStore.ts"
import { CalendarStore } from "./operations/CalendarStore.ts"
import { HaltStore } from "./operations/HaltStore.ts"
import { HeartbeatStore } from "./operations/HeartbeatStore.ts"
import { HistoryStore } from "./operations/HistoryStore.ts"
import { LookoutStore } from "./operations/LookoutStore.ts"
import { OrderCommands } from "./orders/OrderCommands.ts"
import { OrderStore } from "./orders/OrderStore.ts"
import { ReplanStore } from "./orders/ReplanStore.ts"
import { RecoveryStore } from "./slices/RecoveryStore.ts"
import { SliceStore } from "./slices/SliceStore.ts"

/** The stores that the workers use. */
export const StoresLayer = Layer.mergeAll(
  OrderStore.layer,
  SliceStore.layer,
  RecoveryStore.layer,
  ReplanStore.layer,
  OrderBudget.layer,
  OrderCommands.layer,
  InstrumentStore.layer,
  QuoteStore.layer,
  DayTotalStore.layer,
  SettlementStore.layer,
  HaltStore.layer,
  HeartbeatStore.layer,
  HistoryStore.layer,
  LookoutStore.layer,
  CalendarStore.layer,
  BrokerInUseStore.layer,
  BacklogStore.layer,
  AuditStore.layer
)
