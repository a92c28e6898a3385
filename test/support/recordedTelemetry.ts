import { type Telemetry } from "../../src/telemetry/Telemetry.ts"

type Calls = { readonly [K in Exclude<keyof Telemetry, "isOn">]: Array<Parameters<Telemetry[K]>> }

/** What was told, in order, each time with all its details. */
export type Told = <K extends keyof Calls>(what: K) => Calls[K]

/** Telemetry that notes what it is told. */
export const recordedTelemetry = (): { readonly telemetry: Telemetry; readonly told: Told } => {
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
    told: (what) => calls[what],
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
