import { median } from "./harness/Bench.ts"

/** One figure with the value of each repeat. */
export interface Figure {
  readonly scenario: string
  readonly who: string
  readonly what: string
  readonly values: ReadonlyArray<number>
}

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

  /** The median of a figure; NaN if it was not measured. */
  of(scenario: string, who: string, what: string): number {
    return median(this.values.get(JSON.stringify([scenario, who, what]))?.values ?? [])
  }
}

/** A number with three significant digits. */
export const shown = (value: number): string => {
  if (Number.isNaN(value)) return "not measured"
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: digits })
}

export const withSpread = ({ values }: Figure): string => {
  const [min, max] = [Math.min(...values), Math.max(...values)]
  return values.length === 1 ? shown(median(values)) : `${shown(median(values))} (${shown(min)} to ${shown(max)})`
}
