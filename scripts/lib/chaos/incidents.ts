import { Effect, Schema } from "effect"
import type { Db } from "../../../src/db/Db.ts"
import type { SeededRandom } from "../../../src/domain/planning/schedule/SeededRandom.ts"
import { command, type Environment, exitOf, type simulatorApi, StagingFailed } from "../stagingProcesses.ts"
import type { Proxy } from "../tcpProxy.ts"
import type { ChaosOptions } from "./chaosOptions.ts"
import { backendsOf, type ChaosServer, hasHeartbeat, terminateBackends } from "./chaosServer.ts"
import type { Daemons, Slot } from "./daemons.ts"

/** The parts of a run on which incidents act. */
export interface ChaosStage {
  readonly options: ChaosOptions
  readonly daemons: Daemons
  readonly server: ChaosServer
  /** The proxy between all daemons and the broker. */
  readonly brokerNetwork: Proxy
  readonly simulator: ReturnType<typeof simulatorApi>
  /** The environment for operators' commands; they bypass the daemons' proxies, but not the broker's. */
  readonly environment: Environment
  readonly commandLog: string
}

/** The site that an incident occupies: two incidents that share a site never overlap. */
export type Site = "daemon" | "database" | "broker"

export interface ChaosIncident {
  readonly weight: number
  readonly sites: ReadonlyArray<Site>
  /** The daemon must not be killed meanwhile. */
  readonly needsLife?: true
  readonly run: (stage: ChaosStage, slot: Slot, uniform: SeededRandom) => Effect.Effect<void, Error, Db>
}

const between = (uniform: SeededRandom, min: number, max: number) => min + uniform() * (max - min)

/** Disturbs a network for some seconds. */
const spoil = (spoiled: Effect.Effect<void>, network: Proxy, seconds: number) =>
  Effect.andThen(spoiled, Effect.sleep(seconds * 1000)).pipe(Effect.ensuring(network.recover))

const Token = Schema.Struct({ access_token: Schema.String })
export const newToken = (simulator: ChaosStage["simulator"]) =>
  simulator.post("token").pipe(Effect.flatMap(Schema.decodeUnknownEffect(Token)))

const Orders = Schema.Struct({ orders: Schema.Int })

/** All incidents except kill -9, which has its own schedule. The names are those of `--incidents`. */
export const incidents: Readonly<Record<string, ChaosIncident>> = {
  "end-backends": { weight: 3, sites: ["daemon"], run: (_, slot) => terminateBackends(slot.role) },
  "freeze-backends": {
    weight: 2,
    sites: ["daemon", "database"],
    run: ({ server }, slot, uniform) =>
      Effect.flatMap(backendsOf(slot.role), (pids) => server.freeze(pids, between(uniform, 1, 8)))
  },
  "restart-fast": { weight: 1, sites: ["database"], run: ({ server }) => server.restart("fast") },
  "restart-immediate": { weight: 1, sites: ["database"], run: ({ server }) => server.restart("immediate") },
  "freeze-server": {
    weight: 1,
    sites: ["database"],
    run: ({ server }, _, uniform) =>
      Effect.flatMap(server.everyPid, (pids) => server.freeze(pids, between(uniform, 1, 8)))
  },
  "cut-database": {
    weight: 3,
    sites: ["daemon"],
    run: (_, { network }, uniform) => spoil(network.cut, network, between(uniform, 0, 5))
  },
  "silence-database": {
    weight: 3,
    sites: ["daemon"],
    run: (_, { network }, uniform) => spoil(network.fallSilent, network, between(uniform, 1, 10))
  },
  "slow-database": {
    weight: 2,
    sites: ["daemon"],
    run: (_, { network }, uniform) => spoil(network.slow(between(uniform, 20, 500)), network, between(uniform, 2, 10))
  },
  "cut-broker": {
    weight: 2,
    sites: ["broker"],
    run: ({ brokerNetwork }, _, uniform) => spoil(brokerNetwork.cut, brokerNetwork, between(uniform, 0, 3))
  },
  "silence-broker": {
    weight: 2,
    sites: ["broker"],
    run: ({ brokerNetwork }, _, uniform) => spoil(brokerNetwork.fallSilent, brokerNetwork, between(uniform, 1, 5))
  },
  "slow-broker": {
    weight: 2,
    sites: ["broker"],
    run: ({ brokerNetwork }, _, uniform) =>
      spoil(brokerNetwork.slow(between(uniform, 20, 500)), brokerNetwork, between(uniform, 2, 8))
  },
  terminate: {
    weight: 3,
    sites: ["daemon"],
    needsLife: true,
    run: (_, slot) =>
      Effect.gen(function* () {
        const { child } = slot
        if (child?.pid === undefined) return
        const isAtWork = yield* hasHeartbeat(child.pid)
        slot.isToEnd = true
        child.kill("SIGTERM")
        const code = yield* exitOf(child)
        // A daemon that is stopped while it starts may exit with any code.
        if (isAtWork && code !== 0)
          yield* new StagingFailed({ message: `${slot.name} ended with exit code ${code} on SIGTERM` })
      })
  },
  "freeze-daemon": {
    weight: 4,
    sites: ["daemon"],
    needsLife: true,
    // Always longer than the lease, and mostly so long that another daemon may have placed its slices.
    run: ({ daemons, options: { lease, quarantine } }, slot, uniform) =>
      Effect.gen(function* () {
        const { child } = slot
        if (child === null || !(yield* daemons.hit(slot, "freeze", "SIGSTOP"))) return
        yield* Effect.sleep(between(uniform, lease + 1, lease + quarantine + 10) * 1000).pipe(
          Effect.ensuring(Effect.sync(() => child.kill("SIGCONT")))
        )
      })
  },
  "expire-token": {
    weight: 0.3,
    sites: ["broker", "database"],
    run: ({ simulator, environment, commandLog }, _, uniform) =>
      Effect.gen(function* () {
        yield* simulator.post("token/expire")
        yield* Effect.sleep(between(uniform, 1, 8) * 1000)
        const token = yield* newToken(simulator)
        yield* command(["zerodha", "token", "set", token.access_token], environment, commandLog)
      })
  },
  "refuse-address": {
    weight: 0.3,
    sites: ["broker"],
    run: ({ simulator }, _, uniform) =>
      Effect.gen(function* () {
        yield* simulator.post("address", { allowed: false })
        yield* Effect.sleep(between(uniform, 1, 8) * 1000)
        yield* simulator.post("address", { allowed: true })
      })
  },
  halt: {
    weight: 0.2,
    sites: ["broker", "database"],
    run: ({ simulator, environment, commandLog }) =>
      Effect.gen(function* () {
        const placed = simulator.get("summary").pipe(Effect.flatMap(Schema.decodeUnknownEffect(Orders)))
        yield* command(["halt", "--reason", "chaos", "--wait", "120"], environment, commandLog)
        const atHalt = yield* placed
        yield* Effect.sleep("5 seconds")
        const afterHalt = yield* placed
        yield* command(["resume", "--wait", "60"], environment, commandLog)
        if (afterHalt.orders === atHalt.orders) return
        yield* new StagingFailed({ message: `${afterHalt.orders - atHalt.orders} orders were placed after the halt` })
      })
  }
}
