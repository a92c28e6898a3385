import type { Placement } from "../src/broker/Broker.ts"
import { claimKey, clockToleranceMillis, type Evidence, type Send } from "./Evidence.ts"
import type { OperatorPromises } from "./OperatorPromises.ts"
import type { RunningProcess } from "./RunningProcess.ts"
import { samePrice } from "./samePrice.ts"
import type { StatementWatch } from "./StatementWatch.ts"
import type { SliceRow } from "./store/rows.ts"

/** Judges a placement after the last check of the service, and again when the request leaves the process. */
export class PlacementWatch {
  private readonly evidence: Evidence
  private readonly promises: OperatorPromises
  private readonly statements: StatementWatch

  constructor(evidence: Evidence, promises: OperatorPromises, statements: StatementWatch) {
    this.evidence = evidence
    this.promises = promises
    this.statements = statements
  }

  /** The last check has passed: the placement must be due, owned, as planned, and the first of its claim. */
  begins(process: RunningProcess, placement: Placement): Send {
    const { evidence } = this
    const { sliceId, tag } = placement
    const slice = this.claimedBy(process, sliceId)
    const send: Send = {
      placement,
      process,
      orderId: slice?.orderId ?? "",
      claimVersion: slice?.claimVersion ?? -1,
      state: "under way",
      leftMillis: null,
      order: null,
      isBeforeLoss: false
    }
    evidence.sends.push(send)
    evidence.world.traced?.(() => `${process.id} places ${tag} of ${send.orderId}, claim ${send.claimVersion}`)
    if (slice === undefined) evidence.reportViolation(`${tag} is placed, but belongs to no slice`)
    else this.checkSlice(process, placement, slice)
    const claim = claimKey(sliceId, send.claimVersion)
    if (evidence.sentClaims.has(claim)) evidence.reportViolation(`${tag} is placed twice under one claim`)
    evidence.sentClaims.set(claim, send)
    this.checkPromises(send)
    return send
  }

  /** The slice as this process has claimed it: perhaps on a server that has failed since. */
  private claimedBy(process: RunningProcess, sliceId: string): Readonly<SliceRow> | undefined {
    const slice = this.evidence.database.tables().slices.get(sliceId)
    const lost = this.evidence.lostClaims.get(sliceId)
    const isLostClaim = lost?.claimedBy === process.id && lost.claimVersion > (slice?.claimVersion ?? -1)
    return isLostClaim ? lost : slice
  }

  /** The request leaves the process: promises that were made since the last check count as well. */
  left(send: Send): void {
    send.state = "left"
    send.leftMillis = this.evidence.world.nowMillis
    this.checkPromises(send)
  }

  aborted(send: Send): void {
    send.state = "aborted"
  }

  private checkSlice(process: RunningProcess, placement: Placement, slice: Readonly<SliceRow>): void {
    const now = this.evidence.world.nowMillis
    const say = (problem: string) =>
      this.evidence.reportViolation(`${slice.tag} of ${slice.orderId} is placed by ${process.id} ${problem}`)
    if (now < slice.notBefore - process.mayBeAheadMillis) say(`${(slice.notBefore - now).toFixed(3)} ms early`)
    const notAfter = Math.max(slice.notAfter, this.statements.notAfterWhenClaimed(slice.id))
    if (now > notAfter + clockToleranceMillis) say(`${Math.round(now - notAfter)} ms after its window`)
    if (slice.stage !== "IN_PROGRESS") say(`while it is ${slice.stage}`)
    else if (slice.claimedBy !== process.id) say(`while ${slice.claimedBy} owns it`)
    else if (slice.outcomeUnknownAt !== null) say("while its outcome is unknown")
    if (slice.leaseExpiresAt !== null && now > slice.leaseExpiresAt) {
      say(`${Math.round(now - slice.leaseExpiresAt)} ms after its lease`)
    }
    if (!isAsPlanned(placement, slice)) say("with other parameters than planned")
  }

  private checkPromises({ orderId, placement }: Send): void {
    for (const broken of this.promises.brokenBy(placement.tag, orderId)) this.evidence.reportViolation(broken)
  }
}

const isAsPlanned = (placement: Placement, slice: Readonly<SliceRow>): boolean =>
  placement.tag === slice.tag &&
  placement.instrument === slice.instrument &&
  placement.side === slice.side &&
  placement.quantity === slice.quantity &&
  placement.orderType === slice.orderType &&
  samePrice(placement.limitPrice, slice.limitPrice)
