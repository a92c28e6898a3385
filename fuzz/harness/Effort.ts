import process from "node:process"

/** The most CPU time that one input may take of the thread that places orders. */
export const maxInputMillis = 200

/** What the inputs of an area cost. Times in milliseconds of CPU of this thread, which another process does not lengthen. */
export class Effort {
  worstMillis = 0
  worstIndex: number | null = null

  /** Runs work on one input, and returns its result and what is wrong with its cost, if anything. */
  of<A>(index: number, work: () => A): { readonly result: A; readonly problem: string | null } {
    const before = process.threadCpuUsage()
    const result = work()
    return { result, problem: this.note(index, millisSince(before)) }
  }

  /** Notes the cost of an input, and says what is wrong with it, if anything. */
  note(index: number, millis: number): string | null {
    if (millis > this.worstMillis) {
      this.worstMillis = millis
      this.worstIndex = index
    }
    return millis > maxInputMillis ? `it takes ${Math.round(millis)} ms of CPU time, more than ${maxInputMillis}` : null
  }
}

/** The CPU time of this thread since an earlier reading, in milliseconds. */
export const millisSince = (before: NodeJS.CpuUsage): number => {
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1000
}
