import { existsSync, readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { parseEnv } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { explainTemporal } from '../temporal-failures.js';
import { DEFAULT_ADDRESS, DEFAULT_NAMESPACE, readTemporalSettings } from '../temporal-settings.js';
import { CliError } from './cli-error.js';

/** Longest that making the connection may take. */
const CONNECT_MS = 5_000;
/** Longest that Temporal may take to answer a call that needs no worker. */
const ANSWER_MS = 10_000;
/** Calls to Temporal at the same time. */
export const AT_ONCE = 8;

/** Where Temporal is, as options of a command; they come before variables and `temporal.toml`. */
export interface TemporalOptions {
  readonly address?: string;
  readonly temporalNamespace?: string;
  readonly profile?: string;
}

/** A connection to a Temporal that answers and knows the namespace. */
export interface Session {
  readonly client: Client;
  readonly connection: Connection;
  readonly namespace: string;
  readonly address: string;
  /** Runs a call that Temporal answers by itself. @throws CliError noTemporal when it does not */
  readonly call: <T>(run: () => Promise<T>) => Promise<T>;
}

/**
 * Connects to Temporal, by the same variables, files and profiles as the `temporal` command.
 * @throws CliError noTemporal with what is wrong and what to do
 */
export async function openSession(options: TemporalOptions = {}): Promise<Session> {
  const { config, problems } = readTemporalSettings(environmentFor(options));
  if (problems.length > 0) throw new CliError('noTemporal', problems.join('; '));
  const { connectionOptions, namespace = DEFAULT_NAMESPACE } = config.reveal();
  const address = connectionOptions.address ?? DEFAULT_ADDRESS;
  const explain = (error: unknown): CliError =>
    new CliError('noTemporal', explainTemporal(error, address, namespace), {
      todo: [
        'csm reads TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the other TEMPORAL_* variables, a .env file in this folder, and temporal.toml; --address, --temporal-namespace and --profile come before them',
      ],
    });
  try {
    const connection = await Connection.connect({
      ...connectionOptions,
      address,
      connectTimeout: CONNECT_MS,
    });
    const call = <T>(run: () => Promise<T>): Promise<T> =>
      connection.withDeadline(Date.now() + ANSWER_MS, run);
    await call(() => connection.workflowService.describeNamespace({ namespace }));
    const client = new Client({ connection, namespace, ...identity() });
    return { client, connection, namespace, address, call };
  } catch (error) {
    throw explain(error);
  }
}

/** Who sends what is sent, for histories: a person rather than a process, where that is known. */
export function identity(whoAmI: () => { readonly username: string } = userInfo): {
  readonly identity?: string;
} {
  try {
    return { identity: `${whoAmI().username}@${hostname()}` };
  } catch {
    // A user of a container may have no name: the SDK gives the number of the process.
    return {};
  }
}

/** What says where Temporal is: options, then variables, then the `.env` file of this folder. */
export function environmentFor(
  { address, temporalNamespace, profile }: TemporalOptions,
  env: Readonly<Record<string, string | undefined>> = process.env,
  file = existsSync('.env') ? readFileSync('.env', 'utf8') : '',
): Record<string, string | undefined> {
  // The rest of that file is the worker's, and holds its secrets.
  const own = Object.entries(parseEnv(file)).filter(([name]) => name.startsWith('TEMPORAL_'));
  return {
    ...Object.fromEntries(own),
    ...env,
    ...(address !== undefined && { TEMPORAL_ADDRESS: address }),
    ...(temporalNamespace !== undefined && { TEMPORAL_NAMESPACE: temporalNamespace }),
    ...(profile !== undefined && { TEMPORAL_PROFILE: profile }),
  };
}
