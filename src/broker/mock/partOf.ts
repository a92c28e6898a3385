/** A part of the quantity in whole lots, a fifth to four fifths of it; 0 of a single lot. `uniform` is in [0, 1). */
export const partOf = (quantity: number, lot: number, uniform: number): number => {
  const lots = Math.floor(quantity / lot)
  return lot * Math.max(0, Math.min(lots - 1, Math.max(1, Math.floor(lots * (0.2 + 0.6 * uniform)))))
}
