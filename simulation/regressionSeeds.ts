/**
 * Seeds that failed before a bug was fixed; the tests run each of them. A change to the service's statements turns a seed into
 * another run: then the mutation that removes the fix is used to find a new seed. The last bug has no mutation and keeps the
 * seed that found it.
 */
export const regressionSeeds: ReadonlyArray<{ readonly seed: number; readonly bug: string }> = [
  {
    seed: 57,
    bug: "a host suspended on the way to the broker, waiting for its turn, sent after its lease: its clock stood still"
  },
  {
    seed: 57,
    bug: "an answer of the database in which the host was suspended counted, first as quick, later as the better of two bad ones: its clock was behind"
  },
  {
    seed: 1344,
    bug: "a slow answer fitted the time before a jump of the database's clock, too, and ended the doubt about it: the clock was ahead again"
  },
  {
    seed: 114,
    bug: "a host suspended on the way to the broker dated the doubt to before its request left: the quarantine was too short"
  },
  {
    seed: 570,
    bug: "what came back from doubt after a completion, too late for a RESPREAD order's plan, was neither sent nor completed"
  },
  {
    seed: 1523239,
    bug: "a fail-over forgot that people were told of a cancelled order, and took its final state: the order went on"
  }
]
