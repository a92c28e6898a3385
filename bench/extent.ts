import type { PhaseOptions } from "./scenarios/PhaseOptions.ts"

/**
 * The sizes of the scenarios. The whole bench takes about 25 minutes on two quiet cores, if this service reaches its goals, and
 * half an hour otherwise. What a goal compares with something else is measured `repeats` times, in turn with it; what is large
 * and varies little, `largeRepeats` times; what takes minutes, or is only shown, once. A burn-down has 100,000 slices: the quickest
 * contender does them in two seconds, so that starts and compilation weigh little.
 */
export interface Extent {
  readonly repeats: number
  readonly burnDownSize: number
  /** A backlog so small that the planner may think of reading all of it for each group. */
  readonly smallBurnDownSize: number
  readonly largeBurnDownSize: number
  readonly largeRepeats: number
  /** Of contenders that would take minutes for more. */
  readonly slowBurnDownSize: number
  readonly lastWordSize: number
  readonly latenessSize: number
  readonly instantSize: number
  readonly quietSeconds: number
  readonly splitOrders: number
  readonly idleSeconds: number
  readonly waitingSlices: number
  readonly memorySeconds: number
  readonly growthRows: number
  readonly growthSize: number
  readonly flood: { readonly rows: number; readonly seconds: number; readonly settlingSeconds: number }
  readonly phases: PhaseOptions
}

export const wholeExtent: Extent = {
  repeats: 5,
  burnDownSize: 100_000,
  smallBurnDownSize: 20_000,
  largeBurnDownSize: 300_000,
  largeRepeats: 3,
  slowBurnDownSize: 2000,
  lastWordSize: 20_000,
  latenessSize: 1000,
  instantSize: 1000,
  quietSeconds: 60,
  splitOrders: 5000,
  idleSeconds: 30,
  waitingSlices: 1_000_000,
  memorySeconds: 30,
  growthRows: 10_000_000,
  growthSize: 60_000,
  flood: { rows: 10_000, seconds: 40, settlingSeconds: 5 },
  phases: {
    perSecond: 1000,
    seconds: 6,
    overloadSeconds: 3,
    capacitySize: 20_000,
    leadMillis: 3000,
    drainSeconds: 15
  }
}

/** Small sizes that only show that every scenario works. */
export const quickExtent: Extent = {
  repeats: 1,
  burnDownSize: 2000,
  smallBurnDownSize: 1000,
  largeBurnDownSize: 4000,
  largeRepeats: 1,
  slowBurnDownSize: 100,
  lastWordSize: 500,
  latenessSize: 100,
  instantSize: 200,
  quietSeconds: 2,
  splitOrders: 100,
  idleSeconds: 2,
  waitingSlices: 2000,
  memorySeconds: 1,
  growthRows: 5000,
  growthSize: 1000,
  flood: { rows: 200, seconds: 3, settlingSeconds: 1 },
  phases: {
    perSecond: 200,
    seconds: 0.6,
    overloadSeconds: 0.2,
    capacitySize: 500,
    leadMillis: 2000,
    drainSeconds: 1
  }
}
