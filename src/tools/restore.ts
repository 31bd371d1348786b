import { open, realpath, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { restoreArguments, type ToolNamespace } from './arguments.js';
import { privatePrefix, withPrivateFolder, writeConfigFile } from './config-file.js';
import { runTool } from './process.js';
import { ToolError } from './tool-error.js';
import { passwordOf, toolUri } from './tool-uri.js';

const MESSAGES_KEPT = 10;
const MESSAGE_LENGTH = 500;
const DUPLICATE = /^E11000 /;

export interface RestoreProgress {
  /** Bytes of the file read so far, to three figures. */
  readonly bytes: number;
  /** Bytes of the file. */
  readonly total: number;
}

export interface RestoreOptions extends ToolNamespace {
  /** Path of mongorestore, as `findTools` gives it. */
  readonly binary: string;
  readonly uri: string;
  /** File that `dumpPartition` wrote. */
  readonly file: string;
  readonly gzip: boolean;
  /** Inserts that run at the same time, from 1. */
  readonly insertionWorkers: number;
  /** Insert in the file's order with one worker; then the first document refused is a `ToolError`. */
  readonly ordered?: boolean | undefined;
  /** Set name from `hello`, for a connection string with one host that does not name its set. */
  readonly replicaSet?: string | undefined;
  readonly signal: AbortSignal;
  /** Called about every 3 s. */
  readonly onProgress?: ((progress: RestoreProgress) => void) | undefined;
}

export interface RestoreResult {
  /** Documents inserted. Compare with what was dumped: only equality proves that none is missing. */
  readonly documents: number;
  /** Documents that the server refused (duplicate key, validator), although the tool exits with 0. */
  readonly failures: number;
  /** Of them, those whose `_id` is there already. */
  readonly duplicates: number;
  /** First messages about refused documents, 10 at most; they may hold values of documents. */
  readonly messages: readonly string[];
}

/**
 * Inserts the documents of one file into a collection with mongorestore, acknowledged by the
 * majority. Nothing is dropped, no index or option is set; a missing collection is created. A second
 * run meets its own documents as duplicates: the caller empties the collection or expects them.
 * Throws `ToolError`, or the reason of `signal`; some documents may be inserted then.
 */
export async function restorePartition(options: RestoreOptions): Promise<RestoreResult> {
  const { uri, replicaSet, file, gzip } = options;
  const address = await toolUri(uri, { tool: 'mongorestore', replicaSet });
  const input = await open(file, 'r');
  try {
    return await withPrivateFolder(async (folder) => {
      const configFile = await writeConfigFile(folder, address);
      // The tool unzips only files that it opens itself, and only by this ending.
      const link = join(folder, 'partition.bson.gz');
      if (gzip) await symlink(await realpath(file), link);
      const { size: total } = await input.stat();
      const source = gzip ? { path: link } : { path: '-', stdin: input.fd };
      return await run(options, { folder, configFile, total, ...source });
    }, privatePrefix(file));
  } finally {
    await input.close();
  }
}

interface Source {
  readonly folder: string;
  readonly configFile: string;
  readonly path: string;
  readonly stdin?: number;
  readonly total: number;
}

async function run(options: RestoreOptions, source: Source): Promise<RestoreResult> {
  const { binary, database, collection, uri, gzip, insertionWorkers, signal } = options;
  const { configFile, path, stdin, total } = source;
  const messages: string[] = [];
  let duplicates = 0;
  let closing: { readonly documents: number; readonly failures: number } | undefined;
  const password = passwordOf(uri);
  const exit = await runTool({
    binary,
    arguments: restoreArguments({
      configFile,
      database,
      collection,
      path,
      gzip,
      insertionWorkers,
      ordered: options.ordered ?? false,
    }),
    privateFolder: source.folder,
    ...(stdin === undefined ? {} : { stdin }),
    signal,
    secrets: password === undefined ? [] : [password],
    onLine(line) {
      if (line.kind === 'restored') closing = line;
      if (line.kind === 'bytes') options.onProgress?.({ bytes: line.count, total });
      if (line.kind === 'refused' && DUPLICATE.test(line.message)) duplicates += 1;
      if (line.kind === 'refused' && messages.length < MESSAGES_KEPT) {
        messages.push(line.message.slice(0, MESSAGE_LENGTH));
      }
    },
  });
  if (exit.exitCode === 0 && closing !== undefined) {
    return { documents: closing.documents, failures: closing.failures, duplicates, messages };
  }
  const folder = dirname(options.file);
  throw new ToolError({ tool: 'mongorestore', namespace: options, binary, folder, ...exit });
}
