const controller = new AbortController()

/**
 * Aborted when the process is told to stop. Imported before the program is, so that no signal is lost while it loads: process 1
 * of a container does not receive a signal that it has no handler for, and any other process would be ended by it at once.
 */
export const stopSignal = controller.signal

for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(name, () => controller.abort())
