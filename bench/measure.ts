import { type BenchStage, type Scenarios, scenarios, scenariosOnce } from "./allScenarios.ts"

export const scenarioNames: ReadonlyArray<string> = [...Object.keys(scenarios), ...Object.keys(scenariosOnce)]

/**
 * Runs the wanted scenarios, all of them once for each repeat, and then those that run once. Answers with the names of those that
 * failed: the others run nevertheless, as the whole takes long.
 */
export const measure = async (
  stage: Omit<BenchStage, "repeat">,
  wanted: ReadonlyArray<string>,
  say: (line: string) => void
): Promise<ReadonlyArray<string>> => {
  const failed: Array<string> = []
  const run = async (all: Scenarios, repeat: number) => {
    for (const [name, scenario] of Object.entries(all)) {
      if (!wanted.includes(name)) continue
      const began = performance.now()
      try {
        await scenario({ ...stage, repeat })
      } catch (error) {
        failed.push(name)
        say(`${name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      }
      say(`${name}: ${Math.round((performance.now() - began) / 1000)} s`)
    }
  }
  for (let repeat = 1; repeat <= stage.extent.repeats && wanted.some((name) => name in scenarios); repeat++) {
    say(`Repeat ${repeat} of ${stage.extent.repeats}`)
    await run(scenarios, repeat)
  }
  await run(scenariosOnce, 1)
  return failed
}
