import { DateTime, Duration } from "effect"

/** From one moment to another in milliseconds; negative when the other is before. */
export const millisBetween = (from: DateTime.Utc, to: DateTime.Utc): number =>
  DateTime.toEpochMillis(to) - DateTime.toEpochMillis(from)

/** How long something has lasted, to the second: `1h 4m 12s`. */
export const lasting = (since: DateTime.Utc, now: DateTime.Utc): string => {
  const seconds = Math.max(0, Math.round(millisBetween(since, now) / 1000))
  return seconds === 0 ? "0s" : Duration.format(Duration.seconds(seconds))
}

/**
 * A span of time in its two largest units, in a width that changes little: `4.5 s`, `2 m 05 s`, `3 h 04 m`, `2 d 03
 * h`.
 */
export const spanText = (millis: number): string => {
  const seconds = Math.max(0, millis) / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes} m ${twoDigits(whole % 60)} s`
  const hours = Math.floor(minutes / 60)
  return hours < 24
    ? `${hours} h ${twoDigits(minutes % 60)} m`
    : `${Math.floor(hours / 24)} d ${twoDigits(hours % 24)} h`
}

const twoDigits = (number: number): string => `${number}`.padStart(2, "0")

/** A measured time, as exact as its size asks for: `32.0 ms`, `1.250 s`, `2m 5s`. */
export const millisText = (millis: number): string => {
  if (Math.abs(millis) < 1000) return `${millis.toFixed(1)} ms`
  if (Math.abs(millis) < 60_000) return `${(millis / 1000).toFixed(3)} s`
  return Duration.format(Duration.seconds(Math.round(millis / 1000)))
}
