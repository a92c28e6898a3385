import { Schema } from "effect"
import type { SeededRandom } from "./SeededRandom.ts"

/** Whether a schedule follows its curve as closely as it can, or looks more like orders that have nothing to do with each other. */
export const Hiding = Schema.Literals(["tight", "loose"])
export type Hiding = typeof Hiding.Type

/**
 * At most how many slices share a slot, and how many slices the running total may be off the curve at a slot's border. An order is
 * never farther from its straight line than both together, in slices.
 */
export const deviation = {
  tight: { slicesPerSlot: 1, reach: 0.5 },
  loose: { slicesPerSlot: 16, reach: 4 }
} as const satisfies Readonly<Record<Hiding, { readonly slicesPerSlot: number; readonly reach: number }>>

/** A part of the window, in slices' widths from its start, and how many slices are due in it. */
export interface Slot {
  readonly from: number
  readonly to: number
  readonly slices: number
}

interface Slotted {
  readonly numSlices: number
  readonly lots: number
  readonly windowMillis: number
  readonly leastGapMillis: number
  readonly hiding: Hiding
}

/** The slots of a schedule. */
export interface Slots {
  /** How far the borders are moved from where they would be without chance, in slices' widths. */
  readonly shift: number
  readonly slots: ReadonlyArray<Slot>
}

/**
 * The slots of an order. Their borders are moved by up to half a slice's width, so that two orders with one window do not share
 * them; the first slot is longer by it and the last one shorter, or the reverse.
 *
 * A minimum gap leaves less room for that, and so do slices of one lot and a part, of which no whole number follows the moved
 * borders closely enough.
 */
export const slotsOf = (order: Slotted, random: SeededRandom): Slots => {
  const { numSlices, lots, windowMillis, leastGapMillis, hiding } = order
  const gap = windowMillis === 0 ? 0 : Math.min(1, (leastGapMillis * numSlices) / windowMillis)
  const room = lots % numSlices === 0 ? 1 : Math.min(1, lots / numSlices - 1)
  const shift = Math.min(1 - gap, room) * (random() - 0.5)
  const { slicesPerSlot } = deviation[hiding]
  const first = numSlices <= slicesPerSlot ? numSlices : 1 + Math.floor(slicesPerSlot * random())
  const slots: Array<Slot> = []
  for (let done = 0; done < numSlices;) {
    const slices = Math.min(done === 0 ? first : slicesPerSlot, numSlices - done)
    slots.push({ from: border(done, numSlices, shift), to: border(done + slices, numSlices, shift), slices })
    done += slices
  }
  return { shift, slots }
}

const border = (slices: number, numSlices: number, shift: number): number =>
  slices === 0 || slices === numSlices ? slices : slices + shift
