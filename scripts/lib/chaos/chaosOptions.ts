import { parseArgs } from "node:util"

/** The numbers of a run, in seconds unless the name says otherwise. All are options of the command: --kill-every 5. */
const defaults = {
  /** How long the trouble lasts, in minutes; or, if it is not 0, until so many kills were made. */
  minutes: 2,
  kills: 0,
  /** How many slices are due in that time; 0: eight a second. */
  slices: 0,
  daemons: 3,
  /** The mean pause between two kill -9, and between two other incidents. 0: none. */
  "kill-every": 5,
  "incident-every": 5,
  /** The share of daemons that start with a wrong clock. */
  "wrong-clocks": 0.3,
  "fault-rate": 0.3,
  /** Of an order in the book of the simulator, and of that book. */
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
  /** How long the trouble lasts by plan, and how many slices are due in it. */
  readonly planned: { readonly seconds: number; readonly slices: number }
  /** An order whose answer was lost is in the book, however old that is, after so long and a margin for a busy machine. */
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
