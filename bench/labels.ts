import { labelOf } from "./harness/Bench.ts"

/** How the contenders are called in figures and goals. */
export const labels = {
  us: labelOf({ contender: "pulse", isTuned: true }),
  /** The daemon as it is shipped, at its defaults, with the mock broker. */
  shipped: labelOf({ contender: "pulse", isTuned: false }),
  graphile: labelOf({ contender: "graphileWorker", isTuned: true }),
  boss: labelOf({ contender: "pgBoss", isTuned: true }),
  bare: labelOf({ contender: "bareSql", isTuned: true }),
  bareInsert: "bare INSERT"
}
