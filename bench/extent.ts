/**
 * The sizes of the scenarios. The whole bench fits into some 25 minutes on two cores. What a goal compares is measured `repeats` times,
 * in turn with what it is compared with; what is only shown, or takes minutes, once. A burn-down has 100,000 slices, which the
 * quickest contender does in about two seconds: then starts and compilation no longer weigh.
 */
export interface Extent {
  readonly repeats: number
  readonly burnDownSize: number
  readonly largeBurnDownSize: number
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
  readonly phases: {
    readonly perSecond: number
    readonly seconds: number
    readonly overloadSeconds: number
    readonly capacitySize: number
    readonly leadMillis: number
    readonly drainSeconds: number
  }
}

export const wholeExtent: Extent = {
  repeats: 5,
  burnDownSize: 100_000,
  largeBurnDownSize: 300_000,
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
  growthSize: 50_000,
  flood: { rows: 10_000, seconds: 70, settlingSeconds: 5 },
  phases: {
    perSecond: 1000,
    seconds: 10,
    overloadSeconds: 4,
    capacitySize: 20_000,
    leadMillis: 3000,
    drainSeconds: 20
  }
}

/** Small sizes that only show that every scenario works. */
export const quickExtent: Extent = {
  repeats: 1,
  burnDownSize: 2000,
  largeBurnDownSize: 4000,
  slowBurnDownSize: 200,
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
    drainSeconds: 2
  }
}
