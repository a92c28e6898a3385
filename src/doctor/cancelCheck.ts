import { counted } from "../domain/text/plural.ts"
import { shellWord } from "../domain/text/shellWord.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** Open broker orders of one order that should be cancelled and are not, all for one kind of reason. */
export interface RefusedCancels {
  readonly orderId: string
  readonly count: number
  /** The most cancels in a row that were refused for one of them; 0: none is sent. */
  readonly tries: number
  readonly refusal: string
  readonly brokerOrderIds: ReadonlyArray<string>
  /** Only a person can help: everything is refused, or it goes on for long. */
  readonly isForPeople: boolean
}

const maxNamed = 3

/** `refused` begins with those that only a person can help. */
export const cancelCheck = (refused: ReadonlyArray<RefusedCancels>): Check => {
  const name = "refused cancels"
  const [first] = refused
  if (first === undefined) return ok(name, "none")
  const named = refused
    .slice(0, maxNamed)
    .map(
      ({ orderId, count, tries, refusal }) =>
        `${orderId} (${counted(count, "broker order")}, ${tries === 0 ? "not sent" : `refused ${counted(tries, "time")}`}): ${refusal}`
    )
  const more = refused.length > maxNamed ? `; and ${refused.length - maxNamed} more` : ""
  const found = named.join("; ") + more
  const show = pulse(`order show ${shellWord(first.orderId)}`)
  return first.isForPeople
    ? problem(name, found, `Cancel them at the broker, the first ${first.brokerOrderIds[0] ?? "?"}; ${show}`)
    : warning(name, found, `They are tried again; ${show}`)
}
