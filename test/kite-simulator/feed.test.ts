import { WebSocket } from "@effect/platform-node/NodeWS"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { type FaultKind, KiteSimulator } from "../../src/kite-simulator/KiteSimulator.ts"
import { eventually } from "../support/processes.ts"
import { Kite, resting, simulator } from "./kite.ts"

interface Listener {
  /** `OPEN`, `COMPLETE`, …, or `message` for a frame without an order. */
  readonly frames: Array<string>
  beats: number
  isOpen: boolean
  isClosed: boolean
  refusal: number | null
}

const listen = (token: string | null = null) =>
  Effect.gen(function* () {
    const { feedUrl, issueToken } = yield* KiteSimulator
    const socket = new WebSocket(`${feedUrl}?api_key=simulator-key&access_token=${token ?? (yield* issueToken)}`)
    const listener: Listener = { frames: [], beats: 0, isOpen: false, isClosed: false, refusal: null }
    socket.on("open", () => (listener.isOpen = true))
    socket.on("close", () => (listener.isClosed = true))
    socket.on("error", () => undefined)
    socket.on("unexpected-response", (_, response) => {
      listener.refusal = response.statusCode ?? null
      response.destroy()
    })
    socket.on("message", (data, isBinary) => {
      if (isBinary) listener.beats++
      else listener.frames.push(/"status":"([^"]+)"/.exec(data.toString())?.[1] ?? "message")
    })
    return yield* eventually(
      "the feed has answered",
      Effect.sync(() => listener),
      ({ frames, refusal }) => frames.length > 0 || refusal !== null
    )
  })

const heard = (listener: Listener, isEnough: (listener: Listener) => boolean) =>
  eventually(
    `enough is heard`,
    Effect.sync(() => listener),
    isEnough
  )

const path = ["VALIDATION PENDING", "OPEN PENDING", "OPEN", "COMPLETE"]
const placeWhole = (tag: string) => Effect.flatMap(Kite, (kite) => kite.place(tag, { quantity: "1" }))

describe("the order feed", () => {
  it.effect("sends each change except the placement, and a heartbeat each second", () =>
    Effect.gen(function* () {
      const listener = yield* listen()
      yield* placeWhole("A")
      yield* TestClock.adjust("1 second")
      yield* heard(listener, ({ frames, beats }) => frames.includes("COMPLETE") && beats === 1)
      assert.deepStrictEqual(listener.frames, ["message", ...path])
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("repeats nothing for later connections, and sends cancels", () =>
    Effect.gen(function* () {
      const kite = yield* Kite
      yield* kite.place("R", resting)
      yield* TestClock.adjust("1 second")
      const listener = yield* listen()
      yield* kite.call("DELETE", `/orders/regular/${(yield* kite.row("R"))?.order_id}`)
      yield* heard(listener, ({ frames }) => frames.includes("CANCEL PENDING"))
      yield* TestClock.adjust("1 second")
      yield* heard(listener, ({ frames }) => frames.includes("CANCELLED"))
      assert.deepStrictEqual(listener.frames, ["message", "CANCEL PENDING", "CANCELLED"])
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("sends changes when the simulator's clock is moved forward", () =>
    Effect.gen(function* () {
      const listener = yield* listen()
      yield* placeWhole("A")
      yield* (yield* KiteSimulator).advanceClock(Duration.seconds(1))
      yield* heard(listener, ({ frames }) => frames.includes("COMPLETE"))
    }).pipe(Effect.provide(simulator()))
  )

  it.effect("refuses an invalid token", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* listen("wrong")).refusal, 403)
    }).pipe(Effect.provide(simulator()))
  )

  const meeting = (kind: FaultKind, isEnough: (listener: Listener) => boolean) =>
    Effect.gen(function* () {
      const listener = yield* listen()
      yield* (yield* KiteSimulator).script([{ kind }])
      yield* placeWhole("A")
      yield* TestClock.adjust("1 second")
      yield* heard(listener, isEnough)
      return listener.frames.slice(1)
    }).pipe(Effect.provide(simulator()))
  const isComplete = ({ frames }: Listener) => frames.includes("COMPLETE")
  const [first = "", second = "", ...rest] = path

  it.effect("feed_lost: loses a frame", () =>
    Effect.map(meeting("feed_lost", isComplete), (frames) => assert.deepStrictEqual(frames, path.slice(1)))
  )
  it.effect("feed_doubled: sends a frame twice", () =>
    Effect.map(meeting("feed_doubled", isComplete), (frames) => assert.deepStrictEqual(frames, [first, ...path]))
  )
  it.effect("feed_reordered: sends a frame after the next one", () =>
    Effect.map(meeting("feed_reordered", isComplete), (frames) =>
      assert.deepStrictEqual(frames, [second, first, ...rest])
    )
  )
  it.effect("feed_dropped: ends the connection, while the order continues", () =>
    Effect.map(
      meeting("feed_dropped", ({ isClosed }) => isClosed),
      (frames) => assert.deepStrictEqual(frames, [])
    )
  )
})
