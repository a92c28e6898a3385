import { parseArgs } from "node:util"

/** The arguments of the simulation's command line. */
export interface SimulationArguments {
  /** The seeds to run, both ends included; null: the regression seeds. */
  readonly seeds: { readonly first: number; readonly last: number } | null
  readonly isTraced: boolean
  readonly store: string
  readonly stopsAtFirst: boolean
  /** Requests may arrive later than any quarantine. */
  readonly isHoleOpen: boolean
  /** Only the seeds whose database fails over and forgets. */
  readonly failsOver: boolean
  /** Part of the names of the mutations to try, or `all`; null: none, the seeds are run. */
  readonly mutations: string | null
  readonly seedsPerMutation: number
}

/** Reads the arguments; throws for an option that does not exist, and for what is no number. */
export const readArguments = (args: ReadonlyArray<string>): SimulationArguments => {
  const { values: given } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string", default: "1..1000" },
      seed: { type: "string" },
      "regression-seeds": { type: "boolean", default: false },
      trace: { type: "boolean", default: false },
      store: { type: "string", default: "memory" },
      "stop-at-first": { type: "boolean", default: false },
      "beyond-quarantine": { type: "boolean", default: false },
      "fail-over": { type: "boolean", default: false },
      mutations: { type: "string" },
      "seeds-per-mutation": { type: "string", default: "1000" },
      // The names of these three until 0.1.0, which scripts may still use.
      "once-failing": { type: "boolean", default: false },
      canaries: { type: "string" },
      "seeds-per-canary": { type: "string" }
    }
  })
  return {
    seeds: given["regression-seeds"] || given["once-failing"] ? null : seedsOf(given.seed ?? given.seeds),
    isTraced: given.trace,
    store: given.store,
    stopsAtFirst: given["stop-at-first"],
    isHoleOpen: given["beyond-quarantine"],
    failsOver: given["fail-over"],
    mutations: given.mutations ?? given.canaries ?? null,
    seedsPerMutation: wholeNumber(given["seeds-per-canary"] ?? given["seeds-per-mutation"])
  }
}

/** `7` or `1..50`. A range without seeds is refused: nothing would be run, and nothing found. */
const seedsOf = (text: string): { readonly first: number; readonly last: number } => {
  const [first = "", last = first, ...more] = text.split("..")
  const seeds = { first: wholeNumber(first), last: wholeNumber(last) }
  if (more.length > 0 || seeds.last < seeds.first) throw new Error(`${text} is no range of seeds such as 1..50`)
  return seeds
}

const wholeNumber = (text: string): number => {
  if (!/^\d{1,15}$/.test(text)) throw new Error(`${JSON.stringify(text)} is no whole number, nor a range such as 1..50`)
  return Number(text)
}
