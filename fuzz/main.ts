import { Effect, Logger, Result } from "effect"
import { temporaryServer } from "../simulation/postgresServer.ts"
import { areaRunners, below, sharesOf } from "./areaRunners.ts"
import { type FuzzArguments, readArguments } from "./arguments.ts"
import type { AreaReport } from "./fuzzArea.ts"

/*
 * Fuzzers of every boundary of the service: order rows, broker answers, order lists, instrument dumps, frames, settings,
 * flags, files and notifications. Inputs are generated from a seed and an index, and judged by oracles that do not use the
 * code that they judge. Exit code 0 without violations, 1 with any, 2 for wrong flags. doc/guides/testing.md explains more.
 *   npm run fuzz -- --seed 1 --count 100000
 *   npm run fuzz -- --seed 7 --area rows --only 4711
 */
const runAll = Effect.fnUntraced(function* (given: FuzzArguments) {
  const chosen = areaRunners.filter(({ name }) => given.areas.includes(name))
  const shares = sharesOf(chosen, given.count)
  let violations = 0
  for (const { name, run } of chosen) {
    const indexes = given.only === null ? below(shares.get(name) ?? 0) : [given.only]
    const report = yield* run(
      { seed: given.seed, indexes, areCasesReplayed: given.only === null },
      { isJudgedByClock: true, database: temporaryServer }
    )
    for (const line of linesOf(given.seed, report)) console.log(line)
    violations += report.violations.length
  }
  return violations
})

/** The most violations that are printed of one area. */
const maxShown = 50

const linesOf = (seed: number, report: AreaReport): ReadonlyArray<string> => {
  const { area, inputs, seconds, worstDelayMillis, worstCpuMillis, worstCpuIndex, peakMemoryMebibytes } = report
  const { violations } = report
  return [
    [
      area.padEnd(10),
      `${inputs} inputs`,
      `${seconds.toFixed(1)} s`,
      `${Math.round(inputs / seconds)}/s`,
      `${report.cpuSeconds.toFixed(1)} s of CPU time`,
      `worst event-loop delay ${worstDelayMillis.toFixed(0)} ms (its own ${report.ownDelayMillis.toFixed(0)} ms)`,
      `worst CPU time of one input ${worstCpuMillis.toFixed(1)} ms${worstCpuIndex === null ? "" : ` (index ${worstCpuIndex})`}`,
      `peak memory ${peakMemoryMebibytes.toFixed(0)} MiB`,
      `${violations.length} violations`
    ].join(", "),
    ...violations
      .slice(0, maxShown)
      .flatMap(({ index, what, input }) => [
        `  VIOLATION ${area} ${index < 0 ? `case or whole run` : `--seed ${seed} --area ${area} --only ${index}`}: ${what}`,
        ...(input === "" ? [] : [`    ${input}`])
      ]),
    ...(violations.length > maxShown ? [`  … and ${violations.length - maxShown} more`] : [])
  ]
}

const given = readArguments(
  process.argv.slice(2),
  areaRunners.map(({ name }) => name)
)
if (Result.isFailure(given)) {
  console.error(given.failure)
  process.exitCode = 2
} else {
  const violations = await Effect.runPromise(runAll(given.success).pipe(Effect.provide(Logger.layer([]))))
  process.exitCode = violations === 0 ? 0 : 1
}
