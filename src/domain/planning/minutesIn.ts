import { Result } from "effect"
import type { PlanTime } from "../market/orderTime.ts"
import type { Reason } from "../model/reason.ts"
import { type MinutesFor, wholeMinutes } from "./schedule/Schedule.ts"

/** The minutes that leave enough time between the margins of sessions, or are more than there are before the close. */
export const minutesIn =
  (planTime: (windowMillis: number) => Result.Result<PlanTime, Reason>): MinutesFor =>
  (scheduleMillis) => {
    let minutes = wholeMinutes(scheduleMillis)
    const isEnough = Result.match({
      onFailure: () => true,
      onSuccess: (time: PlanTime) => time.scheduleMillis >= scheduleMillis
    })
    while (!isEnough(planTime(minutes * 60_000))) minutes += 1
    return minutes
  }
