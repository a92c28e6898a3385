import { type WebSocket, WebSocketServer } from "@effect/platform-node/NodeWS"
import { Duration, Effect, type Fiber, FiberSet, Latch, type Scope } from "effect"
import type { Server } from "node:http"
import type { SimulatedOrder } from "./SimulatedOrder.ts"
import type { Simulation } from "./Simulation.ts"
import { stepRow } from "./wire.ts"

const path = "/feed"
const beat = Duration.seconds(1)
const refusal = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
const heartbeat = Buffer.from([0])

/**
 * Serves the WebSocket feed: pushes each change of an order's status to the clients that are connected at that time, and a
 * heartbeat of one byte a second. As with Kite, placements are not pushed and missed changes are not repeated.
 */
export const pushChanges = (simulation: Simulation, server: Server): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const feed = new Feed(simulation)
    const sockets = yield* Effect.acquireRelease(
      Effect.sync(() => new WebSocketServer({ noServer: true })),
      (sockets) => Effect.sync(() => sockets.clients.forEach((client) => client.terminate()))
    )
    const run = yield* FiberSet.runtime(yield* FiberSet.make())<never>()
    const changed = Latch.makeUnsafe()
    simulation.onChange(() => changed.openUnsafe())
    server.on("upgrade", (incoming, socket, head) => {
      const url = URL.parse(incoming.url ?? "/", "http://simulator")
      const [apiKey, token] = ["api_key", "access_token"].map((name) => url?.searchParams.get(name))
      if (url?.pathname !== path || !simulation.session.isValid(apiKey, token, simulation.now())) {
        socket.on("error", () => undefined)
        socket.end(refusal)
        return
      }
      sockets.handleUpgrade(incoming, socket, head, (client) => {
        const connection = feed.connect(client)
        const heart: Fiber.Fiber<unknown> = run(
          Effect.forever(
            Effect.andThen(
              Effect.sleep(beat),
              Effect.sync(() => connection.beat())
            )
          )
        )
        client.on("error", () => undefined)
        client.on("close", () => {
          feed.disconnect(connection)
          heart.interruptUnsafe()
        })
        changed.openUnsafe()
      })
    })
    yield* Effect.forkScoped(push(simulation, feed, changed))
  })

const push = (simulation: Simulation, feed: Feed, changed: Latch.Latch): Effect.Effect<never> =>
  Effect.forever(
    Effect.suspend(() => {
      changed.closeUnsafe()
      const now = simulation.now()
      const next = feed.announce(now)
      return next === null
        ? changed.await
        : Effect.raceFirst(changed.await, Effect.sleep(Duration.millis(Math.max(1, next - now))))
    })
  )

class Feed {
  readonly #simulation: Simulation
  readonly #connections = new Set<Connection>()
  /** Orders that still have steps ahead. */
  readonly #active = new Set<SimulatedOrder>()
  #known = 0

  constructor(simulation: Simulation) {
    this.#simulation = simulation
  }

  connect(client: WebSocket): Connection {
    this.announce(this.#simulation.now())
    const connection = new Connection(client, this.#simulation)
    this.#connections.add(connection)
    return connection
  }

  disconnect(connection: Connection): void {
    this.#connections.delete(connection)
  }

  /** Sends the changes up to now; returns the time of the next one, null if there is none or no client is connected. */
  announce(nowMillis: number): number | null {
    const { orders } = this.#simulation.orderList
    for (; this.#known < orders.length; this.#known++) {
      const order = orders[this.#known]
      if (order !== undefined) this.#active.add(order)
    }
    const changes: Array<{ readonly at: number; readonly order: SimulatedOrder; readonly index: number }> = []
    let next = Number.POSITIVE_INFINITY
    for (const order of this.#active) {
      const { steps } = order.book
      for (let step = steps[order.announced]; step !== undefined; step = steps[order.announced]) {
        if (step.at > nowMillis) {
          next = Math.min(next, step.at)
          break
        }
        if (order.announced > 0) changes.push({ at: step.at, order, index: order.announced })
        order.announced++
      }
      if (order.announced >= steps.length) this.#active.delete(order)
    }
    if (this.#connections.size === 0) return null
    for (const { order, index } of changes.toSorted((one, other) => one.at - other.at)) {
      const frame = JSON.stringify({ type: "order", data: stepRow(order, index) })
      for (const connection of this.#connections) connection.push(frame)
    }
    return Number.isFinite(next) ? next : null
  }
}

class Connection {
  readonly #client: WebSocket
  readonly #simulation: Simulation
  /** A frame that a fault holds back until after the next one. */
  #held: string | null = null

  constructor(client: WebSocket, simulation: Simulation) {
    this.#client = client
    this.#simulation = simulation
    client.send(JSON.stringify({ type: "message", data: "Connected to the Kite simulator" }))
  }

  push(frame: string): void {
    const fault = this.#simulation.faults.next("feed")?.kind
    if (fault === "feed_dropped") {
      this.#client.terminate()
      return
    }
    if (fault === "feed_lost") return
    if (fault === "feed_reordered" && this.#held === null) {
      this.#held = frame
      return
    }
    this.#client.send(frame)
    if (fault === "feed_doubled") this.#client.send(frame)
    this.#release()
  }

  beat(): void {
    this.#client.send(heartbeat)
    this.#release()
  }

  #release(): void {
    if (this.#held !== null) this.#client.send(this.#held)
    this.#held = null
  }
}
