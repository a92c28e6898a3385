import { Option, Schema } from "effect"
import { rawCharacterIn } from "../harness/texts.ts"
import { plantedSecrets } from "./RunningService.ts"

const Line = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
const readLine = Schema.decodeUnknownOption(Line)

/** The most characters of a line of the log, and of a notification. */
const maxLine = 20_000
const maxBody = 10_000
/** What is wrong with what the service said. */
export const wrongWords = (said: {
  readonly lines: ReadonlyArray<string>
  readonly bodies: ReadonlyArray<string>
}): ReadonlyArray<string> => [
  ...new Set([
    ...said.lines.flatMap((line) => wrongLine(line) ?? []),
    ...said.bodies.flatMap((body) => wrongBody(body) ?? [])
  ])
]

/** The most characters of the log for each row, on average over a run. */
const maxPerRow = 8000

export const wrongVolume = (characters: number, rows: number): string | null =>
  characters > maxPerRow * (rows + 1000) ? `${characters} characters were logged for ${rows} rows` : null

const wrongLine = (line: string): string | null => {
  const common = wrongText("a log line", line, maxLine)
  if (common !== null) return common
  const fields = Option.getOrNull(readLine(line))
  if (fields === null) return `a log line is no JSON: ${line.slice(0, 300)}`
  const isOfAnOrder = ["order_id", "slice_id", "order_ids", "slice_ids"].some((name) => name in fields)
  const isBad = fields["level"] === "error" || fields["level"] === "fatal"
  return (isBad && !isOfAnOrder) || fields["reason_code"] === "internal_error"
    ? `the service logs about itself: ${line.slice(0, 600)}`
    : null
}

const wrongBody = (body: string): string | null => {
  const fields = Option.getOrNull(readLine(body))
  if (fields === null) return "a notification is no JSON"
  const texts = Object.values(fields).filter((value) => typeof value === "string")
  return texts.map((text) => wrongText("a notification", text, maxBody)).find((what) => what !== null) ?? null
}

const wrongText = (what: string, text: string, max: number): string | null => {
  const odd = rawCharacterIn(text)
  if (odd !== null) return `${what} has a raw ${odd}: ${JSON.stringify(text.slice(0, 200))}`
  if (text.length > max) return `${what} has ${text.length} characters: ${text.slice(0, 200)}`
  return plantedSecrets.some((secret) => text.includes(secret)) ? `${what} has a secret in it` : null
}
