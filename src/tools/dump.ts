import { chmod, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { dumpArguments, type ToolNamespace } from './arguments.js';
import {
  privatePrefix,
  withPrivateFolder,
  writeConfigFile,
  writePrivateFile,
} from './config-file.js';
import { runTool } from './process.js';
import { ToolError } from './tool-error.js';
import { passwordOf, toolUri } from './tool-uri.js';

export interface DumpProgress {
  /** Documents read so far. */
  readonly documents: number;
  /** Documents in the collection, by its own count; absent with a query, which is not counted. */
  readonly total?: number;
}

export interface DumpOptions extends ToolNamespace {
  /** Path of mongodump, as `findTools` gives it. */
  readonly binary: string;
  readonly uri: string;
  /** Filter in canonical extended JSON; without it all documents. */
  readonly query?: string | undefined;
  /** File to write, mode 0600; one that exists is replaced. Its folder has to exist. */
  readonly file: string;
  readonly gzip: boolean;
  /** Host and port of the member to read from; the read preference of the connection string without it. */
  readonly member?: string | undefined;
  /** Set name from `hello`, for a connection string with one host that does not name its set. */
  readonly replicaSet?: string | undefined;
  readonly signal: AbortSignal;
  /** Called about every 3 s. */
  readonly onProgress?: ((progress: DumpProgress) => void) | undefined;
}

export interface DumpResult {
  readonly documents: number;
  /** Bytes of BSON. With gzip taken from the file's trailer, which counts modulo 4 GiB. */
  readonly bytes: number;
  /** Bytes on disk: the same as `bytes` without gzip. */
  readonly fileBytes: number;
}

/**
 * Dumps one partition of a collection into one file with mongodump. The file is on disk (fsync) when
 * this returns. After a failure or cancellation there is none, so that a second run is safe.
 * Throws `ToolError`, or the reason of `signal`.
 */
export async function dumpPartition(options: DumpOptions): Promise<DumpResult> {
  const { uri, query, member, replicaSet } = options;
  const address = await toolUri(uri, { tool: 'mongodump', member, replicaSet });
  // A new inode: a process left over from an earlier attempt cannot write into this one's file.
  await rm(options.file, { force: true });
  await removeUnfinished(options.file);
  try {
    return await withPrivateFolder(async (folder) => {
      const files = {
        privateFolder: folder,
        configFile: await writeConfigFile(folder, address),
        queryFile:
          query === undefined ? undefined : await writePrivateFile(join(folder, 'query'), query),
      };
      const documents = options.gzip
        ? await dumpCompressed(options, files)
        : await dumpRaw(options, files);
      return { documents, ...(await fileSize(options)) };
    }, privatePrefix(options.file));
  } catch (error) {
    await rm(options.file, { force: true });
    throw error;
  }
}

interface InputFiles {
  readonly privateFolder: string;
  readonly configFile: string;
  readonly queryFile: string | undefined;
}

async function dumpRaw(options: DumpOptions, files: InputFiles): Promise<number> {
  const output = await open(options.file, 'wx', 0o600);
  try {
    const documents = await run(options, files, '-', output);
    await output.sync();
    return documents;
  } finally {
    await output.close();
  }
}

// mongodump compresses only into a folder that it lays out itself; beside the file, so that the
// rename stays within one file system.
async function dumpCompressed(options: DumpOptions, files: InputFiles): Promise<number> {
  return withPrivateFolder(async (folder) => {
    const documents = await run(options, files, folder);
    const names = await readdir(folder, { recursive: true });
    const name = names.find((path) => path.endsWith('.bson.gz'));
    if (name === undefined) throw new Error(`mongodump left no .bson.gz file in ${folder}`);
    const path = join(folder, name);
    await chmod(path, 0o600);
    await sync(path);
    await rename(path, options.file);
    return documents;
  }, `${options.file}.`);
}

/** What attempts that were killed have compressed so far. */
async function removeUnfinished(file: string): Promise<void> {
  const folder = dirname(file);
  const unfinished = `${basename(file)}.`;
  const names = (await readdir(folder)).filter((name) => name.startsWith(unfinished));
  await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

async function run(
  options: DumpOptions,
  files: InputFiles,
  path: string,
  output?: FileHandle,
): Promise<number> {
  const { binary, database, collection, uri, signal, gzip, onProgress } = options;
  let closing: number | undefined;
  const password = passwordOf(uri);
  const exit = await runTool({
    binary,
    arguments: dumpArguments({ database, collection, path, gzip, ...files }),
    privateFolder: files.privateFolder,
    ...(output === undefined ? {} : { stdout: output.fd }),
    signal,
    secrets: password === undefined ? [] : [password],
    onLine(line) {
      if (line.kind === 'dumped') closing = line.documents;
      if (line.kind === 'documents') {
        const { count, total } = line;
        onProgress?.({ documents: count, ...(total === undefined ? {} : { total }) });
      }
    },
  });
  if (exit.exitCode === 0 && closing !== undefined) return closing;
  const folder = dirname(options.file);
  throw new ToolError({ tool: 'mongodump', namespace: options, binary, folder, ...exit });
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function fileSize({ file, gzip }: DumpOptions): Promise<Omit<DumpResult, 'documents'>> {
  const { size: fileBytes } = await stat(file);
  if (!gzip) return { bytes: fileBytes, fileBytes };
  const handle = await open(file, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, fileBytes - 4);
    return { bytes: buffer.readUInt32LE(), fileBytes };
  } finally {
    await handle.close();
  }
}
