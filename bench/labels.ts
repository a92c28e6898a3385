import { labelOf } from "./harness/Bench.ts"

/** The names of the contenders in figures and goals. */
export const labels = {
  us: labelOf({ contender: "pulse", isTuned: true }),
  /** The daemon with its default settings and the mock broker. */
  shipped: labelOf({ contender: "pulse", isTuned: false }),
  graphile: labelOf({ contender: "graphileWorker", isTuned: true }),
  boss: labelOf({ contender: "pgBoss", isTuned: true }),
  bare: labelOf({ contender: "bareSql", isTuned: true }),
  bareInsert: "bare INSERT"
}
