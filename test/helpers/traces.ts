import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { execa } from 'execa';
import type { MongoClient } from 'mongodb';

/** Collects what something says again and again, until it is stopped. */
export interface Watch {
  /** Everything that was said, each once. */
  stop(): Promise<string>;
}

/** The command lines of all processes of this machine, as often as they can be read. */
export function watchProcesses(): Watch {
  return watch(10, commandLines);
}

/** Everything that Temporal tells of a workflow: heartbeats, failures of attempts, status. */
export function watchWorkflow(handle: WorkflowHandle): Watch {
  return watch(200, async () => [
    textOf((await handle.describe()).raw),
    JSON.stringify(await handle.query('status').catch(() => '')),
  ]);
}

/** The whole history as text, with every payload in it decoded. */
export async function historyText(handle: WorkflowHandle): Promise<string> {
  return [textOf(await handle.fetchHistory()), textOf((await handle.describe()).raw)].join('\n');
}

/** An error with all that it was caused by. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, stack, cause } = error;
  return [message, stack, JSON.stringify(error), errorText(cause)].join('\n');
}

/** Every document of a database, as the bytes that are stored. */
export async function databaseText(client: MongoClient, name: string): Promise<string> {
  const db = client.db(name);
  const texts: string[] = [];
  for (const { name: collection } of await db.listCollections({}, { nameOnly: true }).toArray()) {
    for await (const document of db.collection(collection).find({}, { raw: true })) {
      texts.push(document instanceof Uint8Array ? Buffer.from(document).toString('latin1') : '');
    }
  }
  return texts.join('\n');
}

/** Paths of all files below a folder; none when it does not exist. */
export async function filesBelow(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

function watch(pauseMs: number, look: () => Promise<readonly string[]>): Watch {
  const seen = new Set<string>();
  const end = new AbortController();
  const run = (async () => {
    while (!end.signal.aborted) {
      (await look()).forEach((text) => seen.add(text));
      await sleep(pauseMs);
    }
  })();
  return {
    async stop() {
      end.abort();
      await run;
      return [...seen].join('\n');
    },
  };
}

/** What `ps -A -o args` shows, which small systems do not have. */
async function commandLines(): Promise<readonly string[]> {
  const processes = await readdir('/proc').catch(() => []);
  if (processes.length === 0) return (await execa('ps', ['-A', '-o', 'args'])).stdout.split('\n');
  return Promise.all(
    processes
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => '')),
  );
}

/** An answer of Temporal as JSON, and after it each payload as it was before it was encoded. */
function textOf(value: unknown): string {
  const payloads: string[] = [];
  const json = JSON.stringify(
    value,
    function (this: Record<string, unknown>, name, field: unknown) {
      const raw = this[name];
      if (raw instanceof Uint8Array) payloads.push(Buffer.from(raw).toString());
      return typeof field === 'bigint' ? String(field) : field;
    },
  );
  return [json, ...payloads].join('\n');
}
