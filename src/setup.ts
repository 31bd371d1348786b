import { ConfigurationError, readConfiguration, type Configuration } from './configuration.js';
import { findTools, type Tools } from './tools/index.js';

/** What a worker needs before it connects to anything. */
export interface Setup {
  readonly configuration: Configuration;
  /** Undefined when they are missing and the worker was told to do without. */
  readonly tools: Tools | undefined;
}

/**
 * Reads the configuration and looks for mongodump and mongorestore.
 *
 * @throws ConfigurationError naming all that is missing or wrong with either of them at once
 */
export async function readSetup(env: NodeJS.ProcessEnv): Promise<Setup> {
  const problems: string[] = [];
  const configuration = readOrCollect(env, problems);
  const found = await findTools(env).catch((error: unknown) =>
    String(error).replace(/^Error: /, ''),
  );
  const optional = env['CSM_TOOLS']?.trim().toLowerCase() === 'optional';
  if (typeof found === 'string' && !optional) {
    problems.push(
      `${found} A worker only for migrations with "copy": "direct" starts with CSM_TOOLS=optional.`,
    );
  }
  if (configuration === undefined || problems.length > 0) throw new ConfigurationError(problems);
  if (typeof found !== 'string') return { configuration, tools: found };

  const warning = `${found} Until then migrations with "copy": "dump" are refused here.`;
  const warnings = [...configuration.warnings, warning];
  return { configuration: { ...configuration, warnings }, tools: undefined };
}

function readOrCollect(env: NodeJS.ProcessEnv, problems: string[]): Configuration | undefined {
  try {
    return readConfiguration(env);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
}
