import { type BenchStage, type Scenarios, scenarios, scenariosOnce } from "./allScenarios.ts"

export const scenarioNames: ReadonlyArray<string> = [...Object.keys(scenarios), ...Object.keys(scenariosOnce)]

/** Runs the wanted scenarios, all of them once for each repeat, and then those that run once. */
export const measure = async (
  stage: BenchStage,
  wanted: ReadonlyArray<string>,
  say: (line: string) => void
): Promise<void> => {
  const run = async (all: Scenarios) => {
    for (const [name, scenario] of Object.entries(all)) {
      if (!wanted.includes(name)) continue
      const began = performance.now()
      await scenario(stage)
      say(`${name}: ${Math.round((performance.now() - began) / 1000)} s`)
    }
  }
  for (let repeat = 1; repeat <= stage.extent.repeats && wanted.some((name) => name in scenarios); repeat++) {
    say(`Repeat ${repeat} of ${stage.extent.repeats}`)
    await run(scenarios)
  }
  await run(scenariosOnce)
}
