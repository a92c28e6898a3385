import { parseArgs } from "node:util"

/** The numeric options with their defaults, in seconds unless noted: `--kill-every 5`. */
const defaults = {
  /** The length of the run in minutes, unless `kills` is not 0: then the run lasts until that many kills. */
  minutes: 2,
  kills: 0,
  /** The number of slices; 0 means eight for each second of the run. */
  slices: 0,
  daemons: 3,
  /** The mean pause between two kill -9, and between two other incidents; 0 turns them off. */
  "kill-every": 5,
  "incident-every": 5,
  /** The share of daemons that are started with a wrong clock. */
  "wrong-clocks": 0.3,
  "fault-rate": 0.3,
  /** The maximum delay until an order is in the simulator's order list, and the maximum age of that list. */
  "longest-delay": 3,
  "longest-staleness": 2,
  lease: 15,
  "broker-timeout": 4,
  "per-second": 50,
  "per-minute": 2400,
  "per-day": 1_000_000,
  port: 8766
}
type Name = keyof typeof defaults

const texts = { seed: "chaos", incidents: "all", quarantine: "auto" }

export type ChaosOptions = { readonly [N in Name]: number } & {
  readonly [N in Exclude<keyof typeof texts, "quarantine">]: string
} & {
  /** The planned length of the run, and the number of slices, a multiple of `slicesPerOrder`. */
  readonly planned: { readonly seconds: number; readonly slices: number }
  /** By default the maximum delay plus the maximum age of the order list, and 3 s for a busy machine. */
  readonly quarantine: number
}

export const slicesPerOrder = 100

export const readChaosOptions = (): ChaosOptions => {
  const all = Object.entries({ ...defaults, ...texts })
  const { values } = parseArgs({
    options: Object.fromEntries(all.map(([name, value]) => [name, { type: "string", default: `${value}` } as const]))
  })
  const number = (name: Name): number => {
    const value = Number(values[name])
    if (!(value >= 0)) throw new Error(`--${name} must be a number, not ${JSON.stringify(values[name])}`)
    return value
  }
  const numbers = Object.fromEntries(Object.keys(defaults).map((name) => [name, number(name as Name)])) as Record<
    Name,
    number
  >
  const seconds = numbers.kills > 0 ? numbers.kills * numbers["kill-every"] : numbers.minutes * 60
  const slices = numbers.slices > 0 ? numbers.slices : seconds * 8
  return {
    ...numbers,
    seed: values["seed"] ?? texts.seed,
    incidents: values["incidents"] ?? texts.incidents,
    planned: { seconds, slices: Math.ceil(slices / slicesPerOrder) * slicesPerOrder },
    quarantine:
      values["quarantine"] === "auto"
        ? numbers["longest-delay"] + numbers["longest-staleness"] + 3
        : Number(values["quarantine"])
  }
}
