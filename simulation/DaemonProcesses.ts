import type { Configuration } from "../src/config/Configuration.ts"
import { type Daemon, startDaemon } from "./daemon.ts"
import { Process } from "./Process.ts"
import { faultHits, type Run } from "./Run.ts"
import type { RunningProcess } from "./RunningProcess.ts"

/** The daemons of a run. Starts them, delivers notifications, stops them for operators, and replaces those that end. */
export class DaemonProcesses {
  private readonly daemons = new Map<string, Daemon>()
  private readonly run: Run
  private readonly config: Configuration["Service"]

  constructor(run: Run, config: Configuration["Service"]) {
    this.run = run
    this.config = config
  }

  startAll(): void {
    const { world, scenario, chance } = this.run
    for (const name of scenario.processes) world.after(chance.between(0, 2000), () => this.start(name, 1))
  }

  restart({ name, generation }: RunningProcess): void {
    this.run.world.after(this.run.chance.between(200, 8000), () => this.start(name, generation + 1))
  }

  /** Delivers a notification to every process, late or not at all. */
  notify(topic: string): void {
    const { world, chance, processes, scenario } = this.run
    for (const process of processes.values()) {
      if (faultHits(this.run, "notification lost", scenario.faults.notificationLost)) continue
      const daemon = this.daemons.get(process.name)
      world.after(chance.between(0.2, 20), () => process.enter(() => daemon?.wake(topic)))
    }
  }

  stop(name: string): void {
    this.run.world.traced?.(() => `${name} is told to stop`)
    this.daemons.get(name)?.stop()
  }

  private start(name: string, generation: number): void {
    const process = new Process(this.run, name, generation)
    this.run.world.traced?.(() => `${process.id} starts`)
    this.run.processes.set(name, process)
    this.daemons.set(name, startDaemon(process, this.config))
  }
}
