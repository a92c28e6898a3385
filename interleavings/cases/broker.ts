import { Effect } from "effect"
import { RecoveryStore } from "../../src/stores/slices/RecoveryStore.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { actor, type Case } from "../harness/Case.ts"
import { acknowledged, claim, daySlices, followed, openSlices, repair, write } from "./actions.ts"
import { allDue, at, sliceStates, splitOrder, unless } from "./world.ts"

/** Five slices of an order at the broker. */
const allOpen = Effect.gen(function* () {
  yield* splitOrder()
  yield* write(yield* claim("a", allDue), acknowledged, allDue)
  return yield* openSlices(allDue)
})

const claimCancels = (ids: ReadonlyArray<string>, limit: number) =>
  Effect.flatMap(SliceStore, (slices) => slices.claimCancels({ ids, limit, now: at(allDue + 1), mayRepeat: true }))

const twoSenders: Case = {
  name: "two monitors send the cancels of an order",
  prepare: Effect.map(allOpen, (open) => () => {
    const ids = open.map(({ id }) => id)
    const senders = ["a", "b"].map((name) => actor(`monitor ${name}`, claimCancels(ids, 3), { neverWaits: true }))
    return {
      actors: senders,
      problems: Effect.sync(() => {
        const sent = senders.flatMap(({ result }) => (result ?? []).map(({ id }) => id))
        return [
          ...unless(new Set(sent).size === sent.length, "a cancel was sent by both"),
          ...unless(sent.length === 5, `${sent.length} of 5 cancels were sent`)
        ]
      })
    }
  })
}

const twoStops: Case = {
  name: "two monitors note why no cancels of an order are sent",
  prepare: Effect.map(allOpen, (open) => () => {
    const ids = open.map(({ id }) => id)
    const stop = Effect.flatMap(SliceStore, (slices) =>
      slices.stopCancels(ids, { code: "credentials_invalid", text: "no token" })
    )
    const monitors = ["a", "b"].map((name) => actor(`monitor ${name}`, stop, { neverWaits: true }))
    return {
      actors: monitors,
      problems: Effect.sync(() => {
        const news = monitors.flatMap(({ result }) => result ?? [])
        return [
          ...unless(new Set(news).size === news.length, "a slice was news to both"),
          ...unless(news.length === 5, `${news.length} of 5 slices were news`)
        ]
      })
    }
  })
}

const lastWordFirst: Case = {
  name: "the broker's last word is written while an older look-up still shows the order open",
  prepare: Effect.map(allOpen, (open) => () => ({
    actors: [
      actor("newer look-up", followed(open, "COMPLETE", 20, allDue + 2)),
      actor("older look-up", followed(open, "PARTIALLY_FILLED", 10, allDue + 3))
    ],
    problems: Effect.map(sliceStates, (slices) =>
      slices.flatMap(({ id, brokerIsFinal, filledQuantity }) =>
        unless(brokerIsFinal && filledQuantity === 20, `slice ${id} lost its last word: ${filledQuantity} filled`)
      )
    )
  }))
}

const laterFillFirst: Case = {
  name: "a later fill is written while an older look-up shows a smaller one",
  prepare: Effect.map(allOpen, (open) => () => ({
    actors: [
      actor("newer look-up", followed(open, "PARTIALLY_FILLED", 15, allDue + 2)),
      actor("older look-up", followed(open, "PARTIALLY_FILLED", 10, allDue + 3))
    ],
    problems: Effect.map(sliceStates, (slices) =>
      slices.flatMap(({ id, filledQuantity }) =>
        unless(filledQuantity === 15, `slice ${id} has only ${filledQuantity} filled`)
      )
    )
  }))
}

const cancelAfterLastWord: Case = {
  name: "a cancel is sent while the order's last word is written",
  prepare: Effect.map(allOpen, (open) => () => {
    const sender = actor(
      "sender",
      claimCancels(
        open.map(({ id }) => id),
        10
      ),
      { neverWaits: true }
    )
    return {
      actors: [sender, actor("look-up", followed(open, "COMPLETE", 20, allDue))],
      problems: Effect.map(sliceStates, (slices) =>
        slices.flatMap(({ id, filledQuantity }) => unless(filledQuantity === 20, `the fill of slice ${id} is lost`))
      )
    }
  })
}

const repairAndLastWord: Case = {
  name: "a repair meets the broker's last word",
  prepare: Effect.gen(function* () {
    const open = yield* allOpen
    const before = yield* daySlices
    return () => {
      const settling = actor("settle", repair(before, "COMPLETE", 20, allDue + 2))
      return {
        actors: [settling, actor("look-up", followed(open, "CANCELLED", 10, allDue + 1))],
        problems: Effect.map(sliceStates, (slices) => {
          const repaired = slices.filter(({ filledQuantity }) => filledQuantity === 20).length
          return unless(repaired === settling.result, `settle told of ${settling.result} repairs, and made ${repaired}`)
        })
      }
    }
  })
}

const twoRepairs: Case = {
  name: "two people repair the same day",
  prepare: Effect.gen(function* () {
    yield* allOpen
    const before = yield* daySlices
    return () => {
      const people = [10, 20].map((filled) =>
        actor(`settle ${filled}`, repair(before, "CANCELLED", filled, allDue + 2))
      )
      return {
        actors: people,
        problems: Effect.sync(() => {
          const repairs = people.reduce((sum, { result }) => sum + (result ?? 0), 0)
          return unless(repairs === 5, `${repairs} repairs of 5 slices were told of`)
        })
      }
    }
  })
}

const leftAndLastWord: Case = {
  name: "slices are given up as lost while their last word arrives",
  prepare: Effect.map(allOpen, (open) => () => {
    const monitor = actor(
      "monitor",
      Effect.flatMap(RecoveryStore, ({ leaveOrderList }) =>
        leaveOrderList(
          open.map(({ id }) => id),
          at(allDue)
        )
      )
    )
    return {
      actors: [monitor, actor("look-up", followed(open, "COMPLETE", 20, allDue))],
      problems: Effect.map(sliceStates, (slices) =>
        slices.flatMap(({ id, filledQuantity }) => unless(filledQuantity === 20, `the fill of slice ${id} is lost`))
      )
    }
  })
}

/** What the broker says of placed orders, and the cancels that are sent to it. */
export const brokerCases: ReadonlyArray<Case> = [
  twoSenders,
  twoStops,
  lastWordFirst,
  laterFillFirst,
  cancelAfterLastWord,
  repairAndLastWord,
  twoRepairs,
  leftAndLastWord
]
