import { Layer } from "effect"
import { BacklogStore } from "./BacklogStore.ts"
import { BrokerInUseStore } from "./BrokerInUseStore.ts"
import { DayTotalStore } from "./DayTotalStore.ts"
import { DoubtStore } from "./DoubtStore.ts"
import { HaltStore } from "./HaltStore.ts"
import { HeartbeatStore } from "./HeartbeatStore.ts"
import { InstrumentStore } from "./InstrumentStore.ts"
import { OrderBudget } from "./OrderBudget.ts"
import { OrderDesk } from "./OrderDesk.ts"
import { OrderStore } from "./OrderStore.ts"
import { OverdueStore } from "./OverdueStore.ts"
import { QuoteStore } from "./QuoteStore.ts"
import { ReplanStore } from "./ReplanStore.ts"
import { SliceStore } from "./SliceStore.ts"
import { WatchStore } from "./WatchStore.ts"

/** The stores that the workers use. */
export const StoresLayer = Layer.mergeAll(
  OrderStore.layer,
  SliceStore.layer,
  DoubtStore.layer,
  WatchStore.layer,
  OverdueStore.layer,
  ReplanStore.layer,
  OrderBudget.layer,
  OrderDesk.layer,
  InstrumentStore.layer,
  QuoteStore.layer,
  DayTotalStore.layer,
  HaltStore.layer,
  HeartbeatStore.layer,
  BrokerInUseStore.layer,
  BacklogStore.layer
)
