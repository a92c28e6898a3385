export { unlimited } from "../../src/domain/limits/preTradeLimits.ts"
