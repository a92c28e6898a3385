import { labelOf } from "./Bench.ts"

/** How the contenders are called in figures and goals. */
export const labels = {
  us: labelOf({ contender: "pulse", isTuned: true }),
  graphile: labelOf({ contender: "graphileWorker", isTuned: true }),
  boss: labelOf({ contender: "pgBoss", isTuned: true }),
  bare: labelOf({ contender: "bareSql", isTuned: true }),
  bareInsert: "bare INSERT"
}
