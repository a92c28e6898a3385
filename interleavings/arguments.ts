import { parseArgs } from "node:util"

/** The arguments of the command line. */
export interface InterleavingArguments {
  /** Part of the names of the cases to run; every name contains the empty text. */
  readonly only: string
  /** The seeds of each case, or every interleaving of it; `tested`: the seeds that stand beside it, or every interleaving. */
  readonly extent: ReadonlyArray<number> | "all" | "tested"
  readonly isTraced: boolean
  /** Part of the names of the mutations to try, or `all`; null: none, the cases are run. */
  readonly mutations: string | null
  /** The range of seeds as it was given. */
  readonly seeds: string | null
}

/** Reads the arguments; throws for an option that does not exist. */
export const readArguments = (args: ReadonlyArray<string>): InterleavingArguments => {
  const { values: given } = parseArgs({
    args: [...args],
    options: {
      case: { type: "string", default: "" },
      seeds: { type: "string" },
      seed: { type: "string" },
      all: { type: "boolean", default: false },
      trace: { type: "boolean", default: false },
      mutations: { type: "string" }
    }
  })
  return {
    only: given.case,
    extent: given.all ? "all" : seedsOf(given.seed ?? given.seeds),
    isTraced: given.trace,
    mutations: given.mutations ?? null,
    seeds: given.seeds ?? null
  }
}

const seedsOf = (range: string | undefined): ReadonlyArray<number> | "tested" => {
  if (range === undefined) return "tested"
  const [first = 1, last = first] = range.split("..").map(Number)
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}
