/** What was found of one thing, and what to do about it; null when nothing is. */
export interface Check {
  readonly name: string
  readonly verdict: "OK" | "WARNING" | "PROBLEM"
  readonly found: string
  readonly todo: string | null
}

export const ok = (name: string, found: string): Check => ({ name, verdict: "OK", found, todo: null })

/** Something works, but may not for long, or not as somebody expects. */
export const warning = (name: string, found: string, todo: string): Check => ({ name, verdict: "WARNING", found, todo })

/** Something does not work, or what the service promises is in danger. */
export const problem = (name: string, found: string, todo: string): Check => ({ name, verdict: "PROBLEM", found, todo })

/** How the commands that checks advise are typed. */
export const pulse = (command: string): string => `node dist/main.js ${command}`.trimEnd()
