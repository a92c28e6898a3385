import { Schema } from "effect"

export const WorkerName = Schema.Literals(["splitter", "executor", "monitor"])
export type WorkerName = typeof WorkerName.Type
