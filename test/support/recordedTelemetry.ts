import { type Telemetry } from "../../src/telemetry/Telemetry.ts"

type Calls = { readonly [K in Exclude<keyof Telemetry, "isOn">]: Array<Parameters<Telemetry[K]>> }

/** The recorded calls of a method, in order, each with all its arguments. */
export type RecordedCalls = <K extends keyof Calls>(what: K) => Calls[K]

/** Telemetry that records its calls. */
export const recordedTelemetry = (): { readonly telemetry: Telemetry; readonly recorded: RecordedCalls } => {
  const calls: Calls = {
    split: [],
    placed: [],
    notFired: [],
    skipped: [],
    reconciled: [],
    doubted: [],
    orderReason: [],
    sliceReason: [],
    doublePlacement: [],
    differed: [],
    brokerCalled: [],
    waitedForTurn: [],
    held: [],
    ticked: [],
    clockOffset: [],
    statementBegan: [],
    statementEnded: [],
    backlog: []
  }
  return {
    recorded: (what) => calls[what],
    telemetry: {
      isOn: true,
      split: (...details) => void calls.split.push(details),
      placed: (...details) => void calls.placed.push(details),
      notFired: (...details) => void calls.notFired.push(details),
      skipped: (...details) => void calls.skipped.push(details),
      reconciled: (...details) => void calls.reconciled.push(details),
      doubted: (...details) => void calls.doubted.push(details),
      orderReason: (...details) => void calls.orderReason.push(details),
      sliceReason: (...details) => void calls.sliceReason.push(details),
      doublePlacement: (...details) => void calls.doublePlacement.push(details),
      differed: (...details) => void calls.differed.push(details),
      brokerCalled: (...details) => void calls.brokerCalled.push(details),
      waitedForTurn: (...details) => void calls.waitedForTurn.push(details),
      held: (...details) => void calls.held.push(details),
      ticked: (...details) => void calls.ticked.push(details),
      clockOffset: (...details) => void calls.clockOffset.push(details),
      statementBegan: (...details) => void calls.statementBegan.push(details),
      statementEnded: (...details) => void calls.statementEnded.push(details),
      backlog: (...details) => void calls.backlog.push(details)
    }
  }
}
