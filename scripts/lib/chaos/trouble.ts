import { Clock, Effect, FiberSet } from "effect"
import type { SeededRandom } from "../../../src/domain/planning/schedule/SeededRandom.ts"
import { summary } from "../../../src/runtime/logAndContinue.ts"
import type { Slot } from "./daemons.ts"
import { type ChaosIncident, incidents, type Site, type ChaosStage } from "./incidents.ts"
import type { SharedOutage } from "./recovery.ts"

/** The record of a run so far. */
export interface Trouble {
  readonly counts: Record<string, number>
  readonly problems: Array<string>
  /** When the database or the broker was away for all daemons. */
  readonly outages: Array<SharedOutage>
}

/** A daemon this old has started its work. */
const startMillis = 3000

const pause = (seconds: number, random: SeededRandom) => Effect.sleep(seconds * 1000 * (0.5 + random()))
const oneOf = <A>(all: ReadonlyArray<A>, random: SeededRandom): A | undefined => all[Math.floor(random() * all.length)]

/** Kills daemons with SIGKILL, always one of the older half, until `--kills` is reached; without `--kills` it never ends. */
export const killing = ({ options, daemons }: ChaosStage, { counts }: Trouble, random: SeededRandom) =>
  Effect.gen(function* () {
    if (options["kill-every"] === 0) return yield* Effect.never
    yield* pause(options["kill-every"], random)
    const free = daemons.slots.filter((slot) => slot.child !== null && !slot.isReserved)
    const oldest = free.toSorted((a, b) => a.startedAtMillis - b.startedAtMillis)
    const victim = oneOf(oldest.slice(0, Math.ceil(oldest.length / 2)), random)
    if (victim === undefined || !(yield* daemons.hit(victim, "kill -9", "SIGKILL"))) return
    counts["kill -9"] = (counts["kill -9"] ?? 0) + 1
  }).pipe(Effect.repeat({ while: () => options.kills === 0 || (counts["kill -9"] ?? 0) < options.kills }))

/** Starts incidents, some of them at the same time, until interrupted; then waits for those under way. */
export const troubling = Effect.fnUntraced(function* (stage: ChaosStage, trouble: Trouble, random: SeededRandom) {
  const { options, daemons } = stage
  if (options["incident-every"] === 0) return yield* Effect.never
  const weights = weightsOf(options.incidents)
  const inUse = new Set<Site>()
  const underWay = yield* FiberSet.make<void>()
  yield* Effect.addFinalizer(() => FiberSet.awaitEmpty(underWay))

  return yield* Effect.gen(function* () {
    yield* pause(options["incident-every"], random)
    const now = yield* Clock.currentTimeMillis
    const name = choose(weights, inUse, random)
    const isAtWork = ({ child, isBusy, startedAtMillis }: Slot) =>
      child !== null && !isBusy && now - startedAtMillis > startMillis
    const slot = oneOf(daemons.slots.filter(isAtWork), random)
    const uniforms = [random(), random()]
    const incident = incidents[name ?? ""]
    if (name === undefined || incident === undefined || slot === undefined) return
    trouble.counts[name] = (trouble.counts[name] ?? 0) + 1
    const happening = incident
      .run(stage, slot, () => uniforms.shift() ?? 0.5)
      .pipe(
        Effect.catchCause((cause) => Effect.sync(() => trouble.problems.push(`${name}: ${summary(cause)}`))),
        Effect.andThen(Clock.currentTimeMillis),
        Effect.map((toMillis) => {
          if (incident.sites.some((site) => site !== "daemon")) trouble.outages.push({ fromMillis: now, toMillis })
        })
      )
    yield* FiberSet.run(underWay, reserving(incident, slot, inUse, happening))
  }).pipe(Effect.forever)
}, Effect.scoped)

/** Draws an incident by weight from those whose sites are free. */
const choose = (weights: ReadonlyMap<string, number>, inUse: ReadonlySet<Site>, random: SeededRandom) => {
  const possible = [...weights].filter(([name]) => !incidents[name]?.sites.some((site) => inUse.has(site)))
  let left = random() * possible.reduce((sum, [, weight]) => sum + weight, 0)
  return possible.find(([, weight]) => (left -= weight) < 0)?.[0]
}

/** Occupies the sites of an incident while it happens. */
const reserving = <R>(
  { sites, needsLife }: ChaosIncident,
  slot: Slot,
  inUse: Set<Site>,
  happening: Effect.Effect<void, never, R>
) => {
  const shared = sites.filter((site) => site !== "daemon")
  const set = (isOn: boolean) =>
    Effect.sync(() => {
      for (const site of shared) inUse[isOn ? "add" : "delete"](site)
      if (sites.includes("daemon")) slot.isBusy = isOn
      if (needsLife) slot.isReserved = isOn
    })
  return Effect.acquireUseRelease(
    set(true),
    () => happening,
    () => set(false)
  )
}

/** Parses `--incidents`: `all`, `none`, or names with optional weights (restart-fast:2,halt). Throws for an unknown name. */
const weightsOf = (given: string): ReadonlyMap<string, number> => {
  if (given === "none") return new Map()
  if (given === "all") return new Map(Object.entries(incidents).map(([name, { weight }]) => [name, weight]))
  return new Map(
    given.split(",").map((part) => {
      const [name = "", weight = "1"] = part.split(":")
      if (!(name in incidents) || !(Number(weight) > 0)) {
        throw new Error(`--incidents knows ${Object.keys(incidents).join(", ")}, not ${part}`)
      }
      return [name, Number(weight)]
    })
  )
}
