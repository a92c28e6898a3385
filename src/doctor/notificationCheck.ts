import { type DateTime, Duration } from "effect"
import { lasting, millisBetween } from "../domain/text/durations.ts"
import { counted } from "../domain/text/plural.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** Notifications that wait for delivery, and the last failure. */
export interface DeliveryFacts {
  readonly waiting: number
  /** How many of those are critical. */
  readonly critical: number
  /** When the oldest of those was found. */
  readonly oldestFoundAt: DateTime.Utc | null
  /** Notifications that were given up in the last day. */
  readonly givenUp: number
  /** How many of those were critical. */
  readonly criticalGivenUp: number
  readonly lastError: string | null
}

/** A shorter delay is left to the retries. */
const deliveryTimeout = Duration.minutes(5)

/** Whether notifications reach people. */
export const notificationCheck = (
  { waiting, critical, oldestFoundAt, givenUp, criticalGivenUp, lastError }: DeliveryFacts,
  now: DateTime.Utc
): Check => {
  const name = "notifications"
  const todo = `Mend the webhook, or NOTIFY_WEBHOOK_URL; ${pulse("notify test")} tries it`
  const said = lastError === null ? "" : `: ${lastError}`
  if (oldestFoundAt !== null && millisBetween(oldestFoundAt, now) > Duration.toMillis(deliveryTimeout)) {
    return problem(
      name,
      `${counted(waiting, "notification")} not delivered${ofThem(critical)}, the oldest for ${lasting(oldestFoundAt, now)}${said}`,
      todo
    )
  }
  if (givenUp === 0) return ok(name, "all that is to be told is delivered, or about to be")
  const lost = `${counted(givenUp, "notification")} given up in the last day${ofThem(criticalGivenUp)}${said}`
  return criticalGivenUp > 0 ? problem(name, lost, todo) : warning(name, lost, todo)
}

const ofThem = (critical: number): string => (critical > 0 ? `, ${critical} of them critical` : "")
