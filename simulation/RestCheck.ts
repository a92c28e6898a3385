import { isFaulty, type Run } from "./Run.ts"
import { finalProblems, isOverdue, unfinished } from "./runVerdict.ts"

const checkMillis = 1000
const restMillis = 2000

/** Ends a run: when everything has been at rest for a while, which is judged, or when that takes too long, which is wrong. */
export class RestCheck {
  isOver = false
  private isAtRest = false
  private readonly run: Run
  private readonly resumeHeld: () => void

  /** `resumeHeld` is called at each check without faults: what waits for a person would never come to rest. */
  constructor(run: Run, resumeHeld: () => void) {
    this.run = run
    this.resumeHeld = resumeHeld
  }

  begin(): void {
    this.run.world.after(checkMillis, () => this.check())
  }

  private check(): void {
    if (this.isOver) return
    const { world, judge } = this.run
    const left = unfinished(this.run)
    if (left.length === 0 && !this.isAtRest) {
      // From now on nothing may change: the second look has to find the same.
      this.isAtRest = true
      world.after(restMillis, () => this.check())
    } else if (left.length === 0) {
      this.isOver = true
      for (const problem of finalProblems(this.run)) judge.reportViolation(problem)
    } else if (isOverdue(this.run)) {
      judge.reportViolation(`not at rest: ${left.slice(0, 5).join("; ")}`)
    } else {
      this.isAtRest = false
      if (!isFaulty(this.run)) this.resumeHeld()
      world.after(checkMillis, () => this.check())
    }
  }
}
