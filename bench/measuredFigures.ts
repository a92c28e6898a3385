import { median } from "./harness/median.ts"

/** One figure with the value of each repeat. */
export interface Figure {
  readonly scenario: string
  readonly who: string
  readonly what: string
  readonly values: ReadonlyArray<number>
}

/** Which figure: the scenario, who, what. */
export type FigureName = readonly [scenario: string, who: string, what: string]

/** Collects figures over all repeats. */
export class Figures {
  private readonly values = new Map<
    string,
    { readonly figure: Omit<Figure, "values">; readonly values: Array<number> }
  >()

  add(scenario: string, who: string, measured: Readonly<Record<string, number>>): void {
    for (const [what, value] of Object.entries(measured)) {
      const key = JSON.stringify([scenario, who, what])
      const known = this.values.get(key) ?? { figure: { scenario, who, what }, values: [] }
      known.values.push(value)
      this.values.set(key, known)
    }
  }

  get all(): ReadonlyArray<Figure> {
    return [...this.values.values()].map(({ figure, values }) => ({ ...figure, values }))
  }

  /** The value of each repeat; none if it was not measured. */
  valuesOf(name: FigureName): ReadonlyArray<number> {
    return this.values.get(JSON.stringify(name))?.values ?? []
  }

  /** The median of a figure; NaN if it was not measured. */
  of(...name: FigureName): number {
    return median(this.valuesOf(name))
  }

  /**
   * A figure divided by another one in each repeat, so that what slows a machine down for a while is in both. One that was measured
   * less often than the other is compared by the medians.
   */
  ratios(name: FigureName, base: FigureName): ReadonlyArray<number> {
    const [values, bases] = [this.valuesOf(name), this.valuesOf(base)]
    if (values.length !== bases.length) return [median(values) / median(bases)]
    return values.map((value, n) => value / (bases[n] ?? Number.NaN))
  }
}

export const notMeasured = "not measured"

/** A number with three significant digits. */
export const shown = (value: number): string => {
  if (Number.isNaN(value)) return notMeasured
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: digits })
}

/** The median, and the range if there are several values. */
export const withSpread = (values: ReadonlyArray<number>): string =>
  values.length <= 1
    ? shown(median(values))
    : `${shown(median(values))} (${shown(Math.min(...values))} to ${shown(Math.max(...values))})`
