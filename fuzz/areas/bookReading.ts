/** A row of the order list that says everything about an order of ours. */
export interface ReadRow {
  readonly tag: string
  readonly id: string
  readonly filled: number
  readonly status: string
}

/** The rows of a body; null if it is no list of rows, or deeper than any answer of the broker. */
export const rowsIn = (body: string): ReadonlyArray<unknown> | null => {
  try {
    const value: unknown = JSON.parse(body)
    if (depthOf(value) > 30) return null
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null
    const { status, data } = { status: undefined, data: undefined, ...value }
    return status === "success" && Array.isArray(data) ? data : null
  } catch {
    return null
  }
}

const depthOf = (value: unknown): number => {
  let depth = 0
  let level: ReadonlyArray<unknown> = [value]
  while (level.length > 0 && depth < 100) {
    depth += 1
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? Object.values(one) : []))
  }
  return depth
}

const inFlight = new Set([
  "PUT ORDER REQ RECEIVED",
  "VALIDATION PENDING",
  "OPEN PENDING",
  "MODIFY VALIDATION PENDING",
  "MODIFY PENDING",
  "CANCEL PENDING",
  "AMO REQ RECEIVED"
])

/** What a row says, if it names exactly one of our tags and has all that is needed; null for any other row. */
export const nameOf = (row: unknown, ours: ReadonlyArray<string>): ReadRow | null => {
  if (typeof row !== "object" || row === null || Array.isArray(row)) return null
  const fields: Readonly<Record<string, unknown>> = { ...row }
  const { order_id: id, status, filled_quantity: filled, average_price: price, tag, tags } = fields
  const named = ours.filter((one) => tag === one || (Array.isArray(tags) && tags.includes(one)))
  const [only] = named
  if (only === undefined || named.length > 1) return null
  if (typeof id !== "string" || id === "" || id.length > 32 || id.replaceAll(/[0-9]/g, "") !== "") return null
  if (typeof status !== "string" || status === "") return null
  if (typeof filled !== "number" || !Number.isInteger(filled) || filled < 0 || filled > 2_147_483_647) return null
  if (typeof price !== "number" || !(price >= 0 && price < 99_999_999_999)) return null
  return { tag: only, id, filled, status: meaningOfStatus(status, filled) }
}

const meaningOfStatus = (word: string, filled: number): string => {
  if (["COMPLETE", "CANCELLED", "REJECTED"].includes(word)) return word
  const isResting = word === "OPEN" || word === "TRIGGER PENDING"
  if (!isResting && !inFlight.has(word)) return "UNRECOGNISED"
  if (filled > 0) return "PARTIALLY_FILLED"
  return isResting ? "OPEN" : "PENDING"
}

/** Whether a tag stands anywhere in a row, alone or with anything but letters and digits around it. */
export const placesOf = (row: unknown, tag: string): boolean => {
  const text = JSON.stringify(row) ?? ""
  const isLetterOrDigit = (character: string | undefined) => character !== undefined && /[A-Za-z0-9]/.test(character)
  for (let at = text.indexOf(tag); at !== -1; at = text.indexOf(tag, at + 1)) {
    const isEscape =
      /\\[a-z]$/.test(text.slice(Math.max(0, at - 2), at)) ||
      /\\u[0-9a-f]{4}$/.test(text.slice(Math.max(0, at - 6), at))
    const isAlone = (!isLetterOrDigit(text[at - 1]) || isEscape) && !isLetterOrDigit(text[at + tag.length])
    if (isAlone) return true
  }
  return false
}
