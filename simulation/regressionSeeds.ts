/**
 * Seeds that fail without what mended a bug. Each is run again with every change. A change of what the service asks for makes
 * another run of each seed: the bugs' mutations then name new ones. The last has none, and keeps the seed that found it.
 */
export const regressionSeeds: ReadonlyArray<{ readonly seed: number; readonly bug: string }> = [
  {
    seed: 57,
    bug: "a host suspended on the way to the broker, waiting for its turn, sent after its lease: its clock stood still"
  },
  {
    seed: 15,
    bug: "an answer of the database in which the host was suspended counted, first as quick, later as the better of two bad ones: its clock was behind"
  },
  {
    seed: 132,
    bug: "a host suspended on the way to the broker dated the doubt to before its request left: the quarantine was too short"
  },
  {
    seed: 570,
    bug: "what came back from doubt after a completion, too late for a RESPREAD order's plan, was neither sent nor completed"
  }
]
