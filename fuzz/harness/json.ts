import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { boundaryNumbers, hostileText } from "./texts.ts"

/** Any value that JSON can hold, and a few that it cannot. */
export const hostileValue = (choices: SeededChoices, depth = 2): unknown => {
  switch (choices.whole(0, 9)) {
    case 0:
      return null
    case 1:
      return choices.hits(0.5)
    case 2:
    case 3:
      return choices.oneOf(boundaryNumbers)
    case 4:
      return undefined
    case 5:
      return depth === 0 ? [] : Array.from({ length: choices.whole(0, 3) }, () => hostileValue(choices, depth - 1))
    case 6:
      return depth === 0
        ? {}
        : Object.fromEntries([
            [choices.oneOf(["__proto__", "a", "order_id", "data"]), hostileValue(choices, depth - 1)]
          ])
    case 7:
      return String(choices.oneOf(boundaryNumbers))
    default:
      return hostileText(choices)
  }
}

/** The value with one part of it, at any depth, replaced, removed or wrapped. */
export const withOddPart = (choices: SeededChoices, value: unknown): unknown => {
  if (typeof value !== "object" || value === null || choices.hits(0.15)) return hostileValue(choices)
  if (Array.isArray(value)) {
    const at = choices.whole(0, Math.max(0, value.length - 1))
    return choices.hits(0.15)
      ? [...value, ...value]
      : value.map((one, index) => (index === at ? withOddPart(choices, one) : one))
  }
  const entries = Object.entries(value)
  const at = choices.whole(0, Math.max(0, entries.length - 1))
  return Object.fromEntries(
    entries.flatMap(([key, one], index) => {
      if (index !== at) return [[key, one]]
      if (choices.hits(0.2)) return []
      if (choices.hits(0.1)) return [[hostileText(choices, { max: 200 }), one]]
      return [[key, withOddPart(choices, one)]]
    })
  )
}

/** The text of a body, damaged in one of the ways in which a network, a proxy or a wrong program damages it. */
export const damaged = (choices: SeededChoices, body: string): string => {
  switch (choices.whole(0, 11)) {
    case 0:
      return body.slice(0, choices.whole(0, body.length))
    case 1:
      return body + body
    case 2:
      return `\ufeff${body}`
    case 3:
      return `${body}${hostileText(choices)}`
    case 4:
      return `${hostileText(choices)}${body}`
    case 5:
      return "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
    case 6:
      return ""
    case 7:
      return body.replace(
        /:\s*"?\d[\d.]*"?/,
        `:${choices.oneOf(["1e400", "-0", "1.5e3", "0x1", "NaN", "01", "99999999999999999999"])}`
      )
    case 8:
      return "[".repeat(choices.oneOf([10, 1000, 10_000, 100_000])) + body
    case 9:
      return nested(choices.oneOf([10, 1000, 5_000]), body)
    case 10:
      return body.replaceAll('"', "'")
    default:
      return `\n\t ${body} \n`
  }
}

const nested = (depth: number, body: string): string => `${'{"data":'.repeat(depth)}${body}${"}".repeat(depth)}`
