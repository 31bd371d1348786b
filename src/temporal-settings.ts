import { loadClientConnectConfig, type ClientConnectConfig } from '@temporalio/envconfig';
import { Secret } from './secret.js';

/** Where Temporal is unless the settings say otherwise, as for the `temporal` command. */
export const DEFAULT_ADDRESS = 'localhost:7233';
export const DEFAULT_NAMESPACE = 'default';

/** How to reach Temporal, and what is wrong with how that is given. */
export interface TemporalSettings {
  /** Address, namespace and credentials. */
  readonly config: Secret<ClientConnectConfig>;
  readonly problems: readonly string[];
}

// A grammar that the connection would check only when it is made, and then in words of its own.
const TEMPORAL_ADDRESS = /^(?:\[[\da-f:.]+\]|[^\s:/[\]]+)(?::\d{1,5})?$/i;

/**
 * Reads `TEMPORAL_*` variables and `temporal.toml` as the `temporal` command does. Nothing of them is
 * repeated in a problem.
 */
export function readTemporalSettings(
  env: Readonly<Record<string, string | undefined>>,
): TemporalSettings {
  const variables = Object.entries(env).filter((entry): entry is [string, string] => !!entry[1]);
  try {
    const config = loadClientConnectConfig({ overrideEnvVars: Object.fromEntries(variables) });
    const { address } = config.connectionOptions;
    const isAddress = address === undefined || TEMPORAL_ADDRESS.test(address);
    const problem =
      'TEMPORAL_ADDRESS has to be <host>:<port> and no URL, for example 127.0.0.1:7233';
    return { config: new Secret(config), problems: isAddress ? [] : [problem] };
  } catch (error) {
    // A TOML error quotes the lines around it, and one of them may be an API key.
    const reason = error instanceof Error ? error.message.split('\n')[0] : 'no reason given';
    const problem = `TEMPORAL_* variables or temporal.toml cannot be read: ${reason}`;
    return { config: new Secret({ connectionOptions: {} }), problems: [problem] };
  }
}
