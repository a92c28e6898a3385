/** The sizes of the scenario of phases, apart from it: they need none of the bench's packages. */
export interface PhaseOptions {
  readonly perSecond: number
  readonly seconds: number
  /** Of the overload, which has 1.5 times as much due as was done a second when `capacitySize` pieces were overdue. */
  readonly overloadSeconds: number
  readonly capacitySize: number
  /** The time to insert all work in is this, and as much as a slow machine takes for each piece. */
  readonly leadMillis: number
  /** How long the work of all phases may take after the last one. */
  readonly drainSeconds: number
}
