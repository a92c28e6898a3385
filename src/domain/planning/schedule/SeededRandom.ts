import { createHash } from "node:crypto"

/** A stream of uniform numbers in [0, 1). */
export type SeededRandom = () => number

/**
 * A random stream that depends on the seed only, the same on every machine and in every version: sfc32 (Chris Doty-Humphrey,
 * PractRand), with the seed's SHA-256 as its state.
 */
export const seededRandom = (seed: string): SeededRandom => {
  const digest = createHash("sha256").update(seed).digest()
  let a = digest.readUInt32LE(0)
  let b = digest.readUInt32LE(4)
  let c = digest.readUInt32LE(8)
  let counter = 1
  return () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 4_294_967_296
  }
}
