import { access, constants } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { execa } from 'execa';
import type { ToolName } from './tool-error.js';

/** Milliseconds that `--version` may take, on a machine that is busy or just waking up. */
const VERSION_TIMEOUT = 20_000;

/** mongodump does, without a query. */
const LOSES_DOCUMENTS = '100.4.0';

/** The MongoDB Database Tools: absolute paths, and their versions in words. */
export interface Tools extends Readonly<Record<ToolName, string>> {
  readonly versions: string;
}

/**
 * Finds mongodump and mongorestore: by MONGODUMP_BIN and MONGORESTORE_BIN, else on PATH. Both are
 * run once with `--version`. Throws one error that lists all that is wrong and how to mend it.
 */
export async function findTools(env: NodeJS.ProcessEnv = process.env): Promise<Tools> {
  const [mongodump, mongorestore] = await Promise.all([
    findTool('mongodump', env),
    findTool('mongorestore', env),
  ]);
  if ('path' in mongodump && 'path' in mongorestore) {
    return {
      mongodump: mongodump.path,
      mongorestore: mongorestore.path,
      versions: `mongodump ${mongodump.version}, mongorestore ${mongorestore.version}`,
    };
  }
  const problems = [mongodump, mongorestore].flatMap((found) =>
    'problem' in found ? [found.problem] : [],
  );
  throw new Error(
    `${problems.join('; ')}. Install the MongoDB Database Tools ` +
      '(https://www.mongodb.com/docs/database-tools/installation/) and put them on PATH, ' +
      'or set MONGODUMP_BIN and MONGORESTORE_BIN to their paths.',
  );
}

type Found = { readonly path: string; readonly version: string } | { readonly problem: string };

async function findTool(tool: ToolName, env: NodeJS.ProcessEnv): Promise<Found> {
  const variable = `${tool.toUpperCase()}_BIN`;
  const named = env[variable];
  const path = named === undefined || named === '' ? await onPath(tool, env) : resolve(named);
  if (path === undefined) return { problem: `${tool} is not on PATH` };
  const label = path === resolve(named ?? '') ? `${variable}=${path}` : path;
  const { failed, stdout, shortMessage } = await execa(path, ['--version'], {
    reject: false,
    stdin: 'ignore',
    timeout: VERSION_TIMEOUT,
  });
  if (failed) return { problem: `${label} cannot be run (${shortMessage ?? 'no reason given'})` };
  const [, version] = new RegExp(`^${tool} version:? (\\S+)`).exec(stdout) ?? [];
  if (version === undefined) return { problem: `${label} is not ${tool}` };
  if (tool === 'mongodump' && version === LOSES_DOCUMENTS) {
    return {
      problem: `${label} is ${version}, which leaves out documents with an empty name (TOOLS-2931)`,
    };
  }
  return { path, version };
}

async function onPath(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of folders) {
    const path = join(resolve(folder), name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Look in the next folder.
    }
  }
  return undefined;
}
