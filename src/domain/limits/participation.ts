import { BigDecimal, Duration, Option } from "effect"
import { defaultMaxLatenessSeconds } from "../model/Order.ts"
import { decimalText, whole } from "../text/decimals.ts"
import { isFresh, type MarketLimits } from "./marketLimits.ts"

/*
 * The share of the market's volume that all slices of an instrument take together, over all orders and daemons. What is sent within
 * any LIMIT_VOLUME_MINUTES is at most LIMIT_VOLUME_SHARE_PERCENT of what the newest quote says was traded in as many minutes.
 *
 * It is decided once for each claim, before anything of it is queued: ParticipationStore reads what is taken, asks {@link admit}, and
 * writes down what may go, all under one lock. A slice that is too large is cut (`replan/cutSlice.ts`): a part goes now, and the rest
 * a tenth of the period later. Those behind it wait, so that none is overtaken for ever.
 */

/** How much of an instrument was traded in the period, and how much of that slices have taken. Quantities in units. */
export interface VolumeUse {
  readonly instrument: string
  /** The volume traded in the period before `recentVolumeMillis`, milliseconds since 1970; null if not known. */
  readonly recentVolume: number | null
  readonly recentVolumeMillis: number | null
  /** The quantity of other slices that were sent in the period, or may be at any moment: claimed, or in doubt. */
  readonly used: number
  /** The part of it within the last {@link stepOf}, or claimed. */
  readonly usedLately: number
}

/** The part of a slice that may go now. */
export interface Room {
  /** All that the limit allows. */
  readonly most: number
  /** The part that keeps to a steady pace: what a tenth of the period allows, without what was sent in it. */
  readonly steady: number
  /** Whether nothing was sent lately, so that a whole lot may go even if `steady` is less. */
  readonly isFirst: boolean
}

export interface Admission<S> {
  readonly admitted: ReadonlyArray<S>
  /** Of each instrument the first slice that is too large, and the first that is late and too large for now. */
  readonly cut: ReadonlyArray<{ readonly slice: S; readonly room: Room; readonly reason: string }>
  readonly waiting: ReadonlyArray<{ readonly slice: S; readonly reason: string }>
}

type VolumeLimits = Pick<MarketLimits, "volumeSharePercent" | "volumePeriod" | "quoteAge">

/** A slice that is cut goes on in so many parts in a period. */
const partsOfPeriod = 10

/** How long after a part of a slice its rest is due. */
export const stepOf = ({ volumePeriod }: Pick<MarketLimits, "volumePeriod">): Duration.Duration =>
  Duration.millis(Math.round(Duration.toMillis(volumePeriod) / partsOfPeriod))

/** What is judged of a slice. `scheduledMillis`: when it was due as planned. */
interface Judged {
  readonly instrument: string
  readonly quantity: number
  readonly scheduledMillis: number
}

/**
 * Says which of the slices that one daemon has just claimed may be sent, in the order of their due times. Late ones catch up at a
 * steady pace: one in a tenth of the period, or as many as that allows. Where the volume is not known, those on time may all be sent.
 */
export const admit = <S extends Judged>(
  slices: ReadonlyArray<S>,
  uses: ReadonlyMap<string, VolumeUse>,
  nowMillis: number,
  limits: VolumeLimits
): Admission<S> => {
  const admitted: Array<S> = []
  const cut: Array<Admission<S>["cut"][number]> = []
  const waiting: Array<Admission<S>["waiting"][number]> = []
  const added = new Map<string, number>()
  /** Why an instrument's next slices wait: all of them, and those that are late. */
  const blocked = new Map<string, string>()
  const paced = new Set<string>()
  for (const slice of slices) {
    const { instrument, quantity } = slice
    const use = uses.get(instrument)
    const allowed = use === undefined ? null : allowedOf(use, nowMillis, limits)
    const before = added.get(instrument) ?? 0
    const room = roomOf(use ?? unused, before, allowed)
    const isLate = isBehind(slice, nowMillis)
    const reason = blocked.get(instrument) ?? (isLate && paced.has(instrument) ? steadyPace : undefined)
    if (reason !== undefined) {
      waiting.push({ slice, reason })
    } else if (quantity > room.most) {
      const why = whyTooMuch(slice, allowed ?? 0, room.most, limits)
      blocked.set(instrument, why)
      if (room.most > 0) cut.push({ slice, room, reason: why })
      else waiting.push({ slice, reason: why })
    } else if (isLate && quantity > room.steady && !room.isFirst) {
      // What is on time goes all the same.
      paced.add(instrument)
      if (room.steady > 0) cut.push({ slice, room, reason: steadyPace })
      else waiting.push({ slice, reason: steadyPace })
    } else {
      admitted.push(slice)
      added.set(instrument, before + quantity)
    }
  }
  return { admitted, cut, waiting }
}

const steadyPace = "it is late, and what is late leaves at a steady pace"

const unused = { used: 0, usedLately: 0 }

/** What is left for a slice, where `before` was admitted in the same claim; `allowed` is null if the volume is not known. */
const roomOf = (
  { used, usedLately }: Pick<VolumeUse, "used" | "usedLately">,
  before: number,
  allowed: number | null
): Room => {
  const lately = usedLately + before
  return {
    most: allowed === null ? Infinity : Math.max(0, allowed - used - before),
    steady: Math.floor((allowed ?? 0) / partsOfPeriod) - lately,
    isFirst: lately === 0
  }
}

/** Whether a slice is so late that it only catches up. */
const isBehind = ({ scheduledMillis }: Judged, nowMillis: number): boolean =>
  nowMillis - scheduledMillis > defaultMaxLatenessSeconds * 1000

/** How much all slices of an instrument may send in the period, in units; null if that is not known or not limited. */
export const allowedOf = (
  { recentVolume, recentVolumeMillis }: Pick<VolumeUse, "recentVolume" | "recentVolumeMillis">,
  nowMillis: number,
  limits: VolumeLimits
): number | null => {
  const percent = Option.getOrNull(limits.volumeSharePercent)
  if (percent === null || recentVolume === null || !isFresh(recentVolumeMillis, nowMillis, limits)) return null
  const share = BigDecimal.multiply(BigDecimal.multiply(percent, whole(recentVolume)), hundredth)
  return Math.floor(BigDecimal.toNumberUnsafe(BigDecimal.floor(share)))
}

const hundredth = BigDecimal.fromStringUnsafe("0.01")

const whyTooMuch = (
  { quantity }: Judged,
  allowed: number,
  left: number,
  { volumeSharePercent, volumePeriod }: VolumeLimits
): string =>
  `LIMIT_VOLUME_SHARE_PERCENT (${Option.match(volumeSharePercent, { onNone: () => "", onSome: decimalText })}) allows ${allowed} ` +
  `within ${Duration.toMinutes(volumePeriod)} minutes, of which ${left} are left, and the slice has ${quantity}`
