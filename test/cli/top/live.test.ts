import { assert, describe, it } from "@effect/vitest"
import { type Event, next, type State } from "../../../src/cli/top/live.ts"
import { now, order, slice, snapshot, workers } from "./snapshot.ts"

const start: State = {
  snapshot: snapshot({
    orders: [order("o1"), order("o2")],
    slices: [slice("due", "s1")],
    workers: workers("w")
  }),
  failure: null,
  selected: null,
  oldAfterMillis: 4000,
  columns: 80,
  rows: 24,
  isOver: false
}
const after = (...events: ReadonlyArray<Event>): State =>
  events.reduce((state, event) => next(state, event, now), start)
const key = (name: string): Event => ({ _tag: "Key", name })

describe("the state of the screen after events", () => {
  it("moves the selection with the arrows up to either end, and clears it with escape", () => {
    assert.strictEqual(after(key("down")).selected, "order o1")
    assert.strictEqual(after(key("down"), key("j"), key("down")).selected, "due s1")
    assert.strictEqual(after(key("up")).selected, "instance w")
    assert.strictEqual(after(key("end"), key("down")).selected, "instance w")
    assert.strictEqual(after(key("home"), key("up")).selected, "order o1")
    assert.isNull(after(key("down"), key("escape")).selected)
  })

  it("keeps the selection on its row when other rows come and go", () => {
    const refreshed = snapshot({ orders: [order("o0"), order("o1"), order("o2")] })
    const state = after(key("down"), { _tag: "Refreshed", snapshot: refreshed })
    assert.strictEqual(state.selected, "order o1")
    assert.strictEqual(next(state, key("down"), now).selected, "order o2")
    const gone = next(state, { _tag: "Refreshed", snapshot: snapshot({ orders: [order("o3")] }) }, now)
    assert.strictEqual(next(gone, key("down"), now).selected, "order o3")
  })

  it("keeps the last data with the failure while the database is away, and then clears the failure", () => {
    const state = after({ _tag: "Failed", message: "refused" }, { _tag: "Failed", message: "no answer" })
    assert.deepInclude(state, { snapshot: start.snapshot, failure: "no answer" })
    assert.isNull(next(state, { _tag: "Refreshed", snapshot: snapshot() }, now).failure)
  })

  it("ends with q, Ctrl-C and the end of the terminal, and follows a resize", () => {
    assert.isTrue(after(key("q")).isOver)
    assert.isTrue(after({ _tag: "Ended" }).isOver)
    assert.isFalse(after(key("x"), { _tag: "Ticked" }).isOver)
    assert.deepInclude(after({ _tag: "Resized", columns: 40, rows: 10 }), { columns: 40, rows: 10 })
  })
})
