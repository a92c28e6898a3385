/**
 * What an order request is, for the account's requests of the day. A repeated cancel is one for a broker order that a cancel was
 * sent for before.
 */
export type RequestKind = "placement" | "cancel" | "repeated cancel"

/*
 * The shares of the day's requests. Placements and cancels each have a part that the other cannot use up, whatever happens; what
 * is in neither part belongs to whoever comes first. Kite's limit of the day is one of placements, but nothing promises that it
 * does not count cancels, so both together keep to it.
 */

/** The part that is kept for cancels, so that open orders can be cancelled after a day full of placements. */
const keptForCancels = 0.1
/** The part that is kept for placements, so that an urgent order can be sent after a day full of cancels. */
const keptForPlacements = 0.5
/** The part that repeated cancels leave to the first cancel of other orders. */
const keptForFirstCancels = 0.05

/**
 * The share of one kind of request in the `perDay` of an account: it may be sent while those of its own kind, and those of the other
 * kind but at least `keptForOther`, are fewer than `max`. Repeated cancels are counted with all cancels.
 */
export interface RequestShare {
  readonly max: number
  readonly keptForOther: number
}

const part = (perDay: number, share: number): number => Math.floor(perDay * share)

export const requestShare = (kind: RequestKind, perDay: number): RequestShare => {
  switch (kind) {
    case "placement":
      return { max: perDay, keptForOther: part(perDay, keptForCancels) }
    case "cancel":
      return { max: perDay, keptForOther: part(perDay, keptForPlacements) }
    case "repeated cancel":
      return { max: perDay - part(perDay, keptForFirstCancels), keptForOther: part(perDay, keptForPlacements) }
  }
}

/** How many of the day's requests placements may use. Cancels beyond the part that is kept for them count against it, too. */
export const placementsPerDay = (perDay: number): number => perDay - requestShare("placement", perDay).keptForOther
