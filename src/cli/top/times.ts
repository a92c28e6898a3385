import { DateTime } from "effect"

/** A span of time in its two largest units: `4.5 s`, `2 m 05 s`, `3 h 04 m`, `2 d 03 h`. */
export const spanOf = (millis: number): string => {
  const seconds = Math.max(0, millis) / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes} m ${two(whole % 60)} s`
  const hours = Math.floor(minutes / 60)
  return hours < 24 ? `${hours} h ${two(minutes % 60)} m` : `${Math.floor(hours / 24)} d ${two(hours % 24)} h`
}

const two = (number: number): string => `${number}`.padStart(2, "0")

export const millisBetween = (from: DateTime.Utc, to: DateTime.Utc): number =>
  DateTime.toEpochMillis(to) - DateTime.toEpochMillis(from)

/** How long it is until something is due, or was: `in 4.5 s`, `now`, `12 s late`. */
export const untilDue = (at: DateTime.Utc, now: DateTime.Utc): string => {
  const millis = millisBetween(now, at)
  if (millis > 0) return `in ${spanOf(millis)}`
  return millis > -minLateMillis ? "now" : `${spanOf(-millis)} late`
}

/** Placed on time, a slice still shows as due until its outcome is written. */
const minLateMillis = 1000

/** `22:50:01.123`, in UTC. */
export const clockTime = (at: DateTime.Utc): string => DateTime.formatIso(at).slice(11, 23)
