import { type SeededRandom, seededRandom } from "../../../src/domain/planning/schedule/SeededRandom.ts"

/** One fail-over: what the standby has, what becomes of open sockets and of the daemons, and whether a halt stands. */
export interface Round {
  readonly number: number
  /** A synchronous standby has every confirmed commit; a lagging one lacks those of the last `lagMillis`. */
  readonly standby: "synchronous" | "lagging"
  readonly lagMillis: number
  /** Whether the proxy closes the connections to the dead primary, or leaves them open and silent. */
  readonly sockets: "closed" | "kept"
  /** Whether the daemons live on, or are killed with the primary and started anew. */
  readonly daemons: "kept" | "anew"
  /** A halt that every daemon has acknowledged before the primary dies; `in the lag` the standby does not have it. */
  readonly halt: "none" | "before" | "in the lag"
}

const oneOf = <const A>(choices: readonly [A, ...ReadonlyArray<A>], random: SeededRandom): A =>
  choices[Math.floor(random() * choices.length)] ?? choices[0]

const minLagMillis = 1000
const maxLagMillis = 10_000

/** The rounds of a run. The same seed gives the same rounds, and more of them begin with the same ones. */
export const roundsOf = (seed: string, count: number): ReadonlyArray<Round> =>
  Array.from({ length: count }, (_, index): Round => {
    const random = seededRandom(`${seed}/${index + 1}`)
    const standby = oneOf(["synchronous", "lagging"], random)
    const lag = minLagMillis + random() * (maxLagMillis - minLagMillis)
    const sockets = oneOf(["closed", "kept"], random)
    const daemons = oneOf(["kept", "anew"], random)
    // A halt that neither the standby nor any living daemon knows of cannot stand.
    const canKnow = standby === "lagging" && daemons === "kept"
    const isHalted = oneOf([false, false, false, true], random)
    const halt = isHalted ? (canKnow ? "in the lag" : "before") : "none"
    return {
      number: index + 1,
      standby,
      lagMillis: standby === "lagging" ? Math.round(lag) : 0,
      sockets,
      daemons,
      halt
    }
  })

/** One line on what a round does. */
export const roundText = ({ number, standby, lagMillis, sockets, daemons, halt }: Round): string =>
  `round ${number}: ${standby}${standby === "lagging" ? ` by ${(lagMillis / 1000).toFixed(1)} s` : ""}, ` +
  `sockets ${sockets}, daemons ${daemons}${halt === "none" ? "" : `, halted ${halt === "before" ? "before it" : halt}`}`
