import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Worker } from '@temporalio/worker';
import { ConfigurationError } from './configuration.js';

/** Milliseconds that Temporal may take to answer before the worker counts as not ready. */
const ANSWER_TIMEOUT = 2_000;

/** What is looked at of a worker of Temporal's. */
type Polling = Pick<Worker, 'getState'> & {
  readonly getStatus: () => Pick<ReturnType<Worker['getStatus']>, 'activityPollerState'>;
};

/** What a worker is when it serves. */
export interface Serving {
  readonly workers: readonly Polling[];
  /** Rejects when Temporal does not answer within so many ms. */
  readonly askTemporal: (timeoutMs: number) => Promise<unknown>;
}

/** Whether this process lives, and whether it does its work. */
export class Health {
  readonly #shutdown: AbortSignal;
  #serving: Serving | undefined;

  constructor(shutdown: AbortSignal) {
    this.#shutdown = shutdown;
  }

  /** From now on there is something to look at. */
  serve(serving: Serving): void {
    this.#serving = serving;
  }

  /** Why this process should be started anew; nothing when it lives. */
  problem(): string | undefined {
    const failed = this.#serving?.workers.some((worker) => worker.getState() === 'FAILED');
    return failed ? 'a worker of this process has failed' : undefined;
  }

  /** Why no work can be expected of it now; nothing when it polls Temporal and Temporal answers. */
  async notReady(): Promise<string | undefined> {
    if (this.#shutdown.aborted) return 'shutting down';
    if (!this.#serving) return 'not connected to Temporal yet';
    const { workers, askTemporal } = this.#serving;
    const polls = (worker: Polling) =>
      worker.getState() === 'RUNNING' && worker.getStatus().activityPollerState === 'POLLING';
    if (!workers.every(polls)) return 'not polling its task queues';
    return askTemporal(ANSWER_TIMEOUT).then(
      () => undefined,
      () => 'Temporal does not answer',
    );
  }
}

/**
 * Serves `/healthz` and `/readyz`: 200 and `ok`, or 503 and why not.
 * @param address `<ip>:<port>`.
 * @throws ConfigurationError when the address cannot be used.
 */
export async function serveHealth(
  address: string,
  health: Pick<Health, 'problem' | 'notReady'>,
): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = (status: number, text: string): void => {
      response.writeHead(status, { 'content-type': 'text/plain', 'cache-control': 'no-store' });
      response.end(`${text}\n`);
    };
    const tell = (problem: string | undefined) => answer(problem ? 503 : 200, problem ?? 'ok');
    const { method = '', url = '' } = request;
    if (!['GET', 'HEAD'].includes(method)) return answer(405, 'GET only');
    const [path] = url.split('?');
    if (path === '/healthz') return tell(health.problem());
    if (path !== '/readyz') return answer(404, '/healthz and /readyz are here');
    health.notReady().then(tell, () => answer(503, 'unknown'));
  });
  const [, host = '', port] = /^(.*):(\d+)$/.exec(address) ?? [];
  try {
    server.listen({ host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) });
    await once(server, 'listening');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError([`CSM_HEALTH_ADDRESS cannot be used: ${reason}`]);
  }
  // A probe that has just asked must not keep the process from ending.
  server.unref();
  return server;
}
