/**
 * The result of one check: what was found, the verdict, and what to do about it; `todo` is null when the verdict is
 * OK. The checks of this folder are pure functions from facts to a Check, one file for each subject. They read
 * nothing and know no store: src/cli/doctor/examine.ts gathers the facts. The names are a contract of `doctor --json`
 * and do not change.
 */
export interface Check {
  readonly name: string
  readonly verdict: "OK" | "WARNING" | "PROBLEM"
  readonly found: string
  readonly todo: string | null
}

export const ok = (name: string, found: string): Check => ({ name, verdict: "OK", found, todo: null })

/** Something works, but perhaps not for long, or not as expected. */
export const warning = (name: string, found: string, todo: string): Check => ({ name, verdict: "WARNING", found, todo })

/** Something does not work, or a promise of the service is in danger. */
export const problem = (name: string, found: string, todo: string): Check => ({ name, verdict: "PROBLEM", found, todo })

/** A command as it is typed, for advice. */
export const pulse = (command: string): string => `node dist/main.js ${command}`.trimEnd()
