/** Seeds that failed until a bug was mended. Each is run again with every change. */
export const onceFailing: ReadonlyArray<{ readonly seed: number; readonly bug: string }> = [
  {
    seed: 121,
    bug: "a host suspended on the way to the broker, waiting for its turn, sent after its lease: its clock stood still"
  },
  {
    seed: 494,
    bug: "an answer of the database in which the host was suspended counted as quick: its clock was behind by all of it"
  },
  {
    seed: 18,
    bug: "a host suspended on the way to the broker dated the doubt to before its request left: the quarantine was too short"
  }
]
