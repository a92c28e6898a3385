/** What is measured, by the name in figures and goals. */
export const contenderNames = {
  pulse: "pulse-background",
  graphileWorker: "graphile-worker",
  graphileSameWork: "graphile-worker with the same work",
  graphileGroupedWork: "graphile-worker with the same work in groups",
  pgBoss: "pg-boss",
  pgBossSameWork: "pg-boss with the same work",
  persistedQueue: "Effect PersistedQueue",
  bareSql: "bare SQL"
}

export type ContenderName = keyof typeof contenderNames

/** A contender, with its default settings or tuned for speed. */
export interface Entry {
  readonly contender: ContenderName
  readonly isTuned: boolean
}

export const labelOf = ({ contender, isTuned }: Entry): string =>
  contender === "bareSql"
    ? contenderNames[contender]
    : `${contenderNames[contender]}, ${isTuned ? "tuned" : "defaults"}`

export const labels = {
  us: labelOf({ contender: "pulse", isTuned: true }),
  /** The daemon with its default settings and the mock broker. */
  shipped: labelOf({ contender: "pulse", isTuned: false }),
  graphile: labelOf({ contender: "graphileWorker", isTuned: true }),
  graphileSameWork: labelOf({ contender: "graphileSameWork", isTuned: true }),
  graphileGroupedWork: labelOf({ contender: "graphileGroupedWork", isTuned: true }),
  boss: labelOf({ contender: "pgBoss", isTuned: true }),
  bossSameWork: labelOf({ contender: "pgBossSameWork", isTuned: true }),
  bare: labelOf({ contender: "bareSql", isTuned: true }),
  bareInsert: "bare INSERT"
}

/** This service's burn-down of orders with this many slices. */
export const withSlicesPerOrder = (slices: number): string =>
  `${labels.us}, ${slices} ${slices === 1 ? "slice" : "slices"} an order`
