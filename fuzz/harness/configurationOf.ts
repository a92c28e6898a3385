import { ConfigProvider, Layer } from "effect"
import { Configuration, type ConfigurationError } from "../../src/config/Configuration.ts"

/** The configuration of an environment. It is fresh, because layers are memoized by reference. */
export const configurationOf = (
  environment: Readonly<Record<string, string>>
): Layer.Layer<Configuration, ConfigurationError> =>
  Layer.fresh(Configuration.layer).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment))))
