import { DateTime, Effect, Layer, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { createHash } from "node:crypto"
import { Broker } from "../../broker/Broker.ts"
import { brokerIdentity, dryRunMark } from "../../broker/brokerIdentity.ts"
import { BrokerLayer } from "../../broker/layers/BrokerLayer.ts"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { Configuration } from "../../config/Configuration.ts"
import { Wakeups } from "../../db/Wakeups.ts"
import { type DayReconciliation, reconcileDay } from "../../domain/lifecycle/reconcileDay.ts"
import { indianDay, nextIndianHour } from "../../domain/market/indianTime.ts"
import { counted } from "../../domain/text/plural.ts"
import { BrokerInUseStore } from "../../stores/account/BrokerInUseStore.ts"
import { DayReconciliationStore } from "../../stores/account/DayReconciliationStore.ts"
import type { Repair } from "../../stores/account/repairSlices.ts"
import { type CurrentDifference, SettlementStore } from "../../stores/account/SettlementStore.ts"
import { DoctorStore } from "../../stores/operations/DoctorStore.ts"
import { CommandFailed, CommandLayer, json, optionalReason, print } from "../shared/environment.ts"
import { maxIdLength, textArgument } from "../shared/flags.ts"
import { as } from "../shared/operator.ts"
import { agreed, approve, type Change } from "../shared/secondPerson.ts"
import { table } from "../terminal/table.ts"

const SettleLayer = Layer.mergeAll(
  BrokerLayer,
  DayReconciliationStore.layer,
  DoctorStore.layer,
  SettlementStore.layer,
  BrokerInUseStore.layer
).pipe(Layer.provide([PlacementGate.layer, Wakeups.layer]), Layer.provideMerge(CommandLayer))

export const settleCommand = Command.make(
  "settle",
  {
    day: textArgument("DAY", maxIdLength).pipe(
      Argument.withDescription("YYYY-MM-DD in India; today if left out"),
      Argument.optional
    ),
    repair: Flag.Boolean("repair").pipe(
      Flag.withDescription("Have slices take over what the broker's order list says, where it is plain"),
      Flag.withDefault(false)
    ),
    as,
    reason: optionalReason,
    approve,
    json
  },
  Effect.fnUntraced(function* (given) {
    const { from, until } = yield* dayOf(given.day)
    const broker = yield* Broker
    if (DateTime.isLessThanOrEqualTo(until, broker.orderListSince(yield* DateTime.now))) {
      return yield* new CommandFailed({ message: `The ${broker.name} broker no longer shows the orders of that day` })
    }
    const ours = brokerIdentity({ ...(yield* Configuration), dryRun: false })
    const inUse = yield* (yield* BrokerInUseStore).broker
    if (inUse !== null && inUse !== ours && inUse !== `${ours} ${dryRunMark}`) {
      return yield* new CommandFailed({
        message: `This database's orders are at ${inUse}, not at ${ours}: set BROKER_TYPE and the broker's address as the daemons have them`
      })
    }
    const store = yield* DayReconciliationStore
    const all = yield* broker.listAll
    const tags = [...all.entries, ...all.unreadable].flatMap(({ tags }) => tags)
    const slices = yield* store.slices(from, until, tags)
    const found = yield* broker.findByTag(new Set(slices.map(({ tag }) => tag)))
    const reconciled = reconcileDay(slices, found, all)
    const repairs = reconciled.differences.flatMap(({ slice, repair }) =>
      given.repair && repair !== null ? [{ slice, order: repair, noted: null }] : []
    )
    const repaired =
      repairs.length === 0
        ? 0
        : yield* store.repair(repairs, yield* agreed(given, repairOf(given.day, repairs)), yield* DateTime.now)
    const unbalanced = yield* store.unbalanced(from, until, tags)
    const misplaced = yield* (yield* DoctorStore).misplaced("newest")
    const waiting = yield* (yield* SettlementStore).current(from)
    yield* print(given.json, { ...reconciled, repaired, unbalanced, misplaced, waiting }, reconciliationText)
    if (misplaced.length > 0) {
      return yield* new CommandFailed({
        message: `${counted(misplaced.length, "slice")} of this database are not in exactly one table, the first ${misplaced[0]?.id}: "doctor" says what to do`
      })
    }
    if (unbalanced.length > 0) {
      return yield* new CommandFailed({
        message: `The quantities of ${unbalanced.length} orders do not add up: ${unbalanced.map(({ orderId }) => orderId).join(", ")}`
      })
    }
    if (reconciled.unreadable.length > 0) {
      return yield* new CommandFailed({
        message: `The comparison is incomplete: ${counted(reconciled.unreadable.length, "row")} of the broker's order list cannot be read. Look at the broker's own pages`
      })
    }
    const critical = waiting.filter(({ isCritical }) => isCritical)
    if (critical.length > 0) {
      return yield* new CommandFailed({
        message: `${counted(critical.length, "difference")} from the broker's order list ${critical.length === 1 ? "waits" : "wait"} for a person: "doctor" says what to do`
      })
    }
    const left = reconciled.differences.length - repaired
    if (left > 0) {
      return yield* new CommandFailed({
        message: `${left} slices and the broker's order list differ${given.repair ? " still" : '; "settle --repair" mends what is plain'}`
      })
    }
  }, Effect.provide(SettleLayer))
).pipe(
  Command.withDescription(
    "Compare a day's slices with the broker's order list: exit 0 if every order belongs to one slice and all agree"
  )
)

const dayOf = Effect.fnUntraced(function* (day: Option.Option<string>) {
  const now = yield* DateTime.now
  const noon = Option.match(day, {
    onNone: () => Option.some(now),
    onSome: (text) =>
      /^\d{4}-\d\d-\d\d$/.test(text) ? DateTime.make(`${text}T12:00:00+05:30`) : Option.none<DateTime.Utc>()
  })
  const given = Option.getOrNull(day)
  if (Option.isNone(noon) || (given !== null && indianDay(DateTime.toUtc(noon.value)) !== given)) {
    return yield* new CommandFailed({ message: `DAY must be a day like 2026-11-23, not ${JSON.stringify(given)}` })
  }
  if (given !== null && given > indianDay(now)) {
    return yield* new CommandFailed({ message: `${given} has not begun in India` })
  }
  const until = nextIndianHour(DateTime.toUtc(noon.value), 0)
  return { from: DateTime.subtract(until, { days: 1 }), until }
})

/** The repairs as a change that may need a second person, who sees the same ones. */
const repairOf = (day: Option.Option<string>, repairs: ReadonlyArray<Repair>): Change => {
  const list = repairs
    .map(({ order, slice }) => [slice.id, order.brokerOrderId, order.status, order.filledQuantity].join(" "))
    .toSorted()
  return {
    command: "settle --repair",
    typed: ["settle", ...Option.toArray(day), "--repair"].join(" "),
    what: { repairs: list.length, digest: createHash("sha256").update(list.join("\n")).digest("hex") }
  }
}

interface Proof extends DayReconciliation {
  readonly repaired: number
  readonly unbalanced: ReadonlyArray<unknown>
  readonly misplaced: ReadonlyArray<unknown>
  /** What the daemons have found all day, and nobody has settled. */
  readonly waiting: ReadonlyArray<CurrentDifference>
}

const reconciliationText = ({
  agreed,
  open,
  differences,
  foreign,
  unreadable,
  repaired,
  unbalanced,
  waiting
}: Proof): ReadonlyArray<string> => [
  `${agreed} slices agree with the broker's order list` +
    (open === 0 ? "" : `; ${open} of their orders may still change`),
  `${differences.length} differ` + (repaired === 0 ? "" : `, ${repaired} of them are repaired`),
  `${foreign.length} broker orders are none of ours`,
  unbalanced.length === 0 ? "The quantities of the day's orders add up" : `${unbalanced.length} orders do not add up`,
  ...(differences.length === 0 ? [] : ["", ...differenceTable(differences)]),
  ...(waiting.length === 0
    ? []
    : [
        "",
        ...table(
          ["ORDER", "SLICE", "WAITS FOR A PERSON"],
          waiting.map(({ orderId, sliceId, words }) => [orderId ?? "", sliceId ?? "", words])
        )
      ]),
  ...(unreadable.length === 0
    ? []
    : [
        "",
        ...table(
          ["ROW", "CANNOT BE READ", "TAGS"],
          unreadable.map(({ place, problem, tags }) => [`${place}`, problem, tags.join(" ")])
        )
      ]),
  ...(foreign.length === 0
    ? []
    : [
        "",
        ...table(
          ["FOREIGN ORDER", "TAGS"],
          foreign.map((entry) => [entry.brokerOrderId, entry.tags.join(" ")])
        )
      ])
]

const differenceTable = (differences: DayReconciliation["differences"]): ReadonlyArray<string> =>
  table(
    ["ORDER", "#", "SLICE", "DIFFERENCE"],
    differences.map(({ slice, text }) => [slice.orderId, `${slice.sequenceNumber}`, slice.id, text])
  )
