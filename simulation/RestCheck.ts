import { isFaulty, type Run } from "./Run.ts"
import { finalProblems, isOverdue, unfinished } from "./runVerdict.ts"

const checkMillis = 1000
const restMillis = 2000

/** Decides when a run is over: two seconds of rest end it with the final verdict, a run that finds no rest is a violation. */
export class RestCheck {
  isOver = false
  private isAtRest = false
  private readonly run: Run
  private readonly resumeHeld: () => void

  /** `resumeHeld` is called at each check after the last fault: orders on hold would never come to rest. */
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
      // The second check must find the run still at rest.
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
