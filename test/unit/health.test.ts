import type { Server } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../embedded/index.js';
import { ConfigurationError } from '../../src/configuration.js';
import { Health, serveHealth, type Serving } from '../../src/health.js';

type Polling = Serving['workers'][number];

const servers: Server[] = [];
const shutdown = new AbortController();

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A worker in some state, whose polls are in another. */
function worker(
  state: ReturnType<Polling['getState']> = 'RUNNING',
  activityPollerState: 'POLLING' | 'FAILED' = 'POLLING',
): Polling {
  return { getState: () => state, getStatus: () => ({ activityPollerState }) };
}

const answers = () => Promise.resolve();

/** Serves and gives what a path answers. */
async function serve(health: Health) {
  const port = await freePort();
  servers.push(await serveHealth(`127.0.0.1:${port}`, health));
  return async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, init);
    return [answer.status, (await answer.text()).trimEnd()];
  };
}

async function look(serving: Serving | undefined, signal = shutdown.signal) {
  const health = new Health(signal);
  if (serving) health.serve(serving);
  const get = await serve(health);
  return { alive: await get('/healthz'), ready: await get('/readyz') };
}

describe('/healthz and /readyz', () => {
  it('are ok while all workers poll and Temporal answers', async () => {
    const seen = await look({ workers: [worker(), worker()], askTemporal: answers });
    expect(seen).toEqual({ alive: [200, 'ok'], ready: [200, 'ok'] });
  });

  it('live and are not ready before Temporal is there', async () => {
    const ready = [503, 'not connected to Temporal yet'];
    expect(await look(undefined)).toEqual({ alive: [200, 'ok'], ready });
  });

  it('live and are not ready when Temporal does not answer', async () => {
    const askTemporal = () => Promise.reject(new Error('mongodb://user:s3cret@host'));
    const ready = [503, 'Temporal does not answer'];
    expect(await look({ workers: [worker()], askTemporal })).toEqual({ alive: [200, 'ok'], ready });
  });

  it('live and are not ready while they end', async () => {
    const seen = await look({ workers: [worker()], askTemporal: answers }, AbortSignal.abort());
    expect(seen).toEqual({ alive: [200, 'ok'], ready: [503, 'shutting down'] });
  });

  it('neither live nor are ready once one of the workers has failed', async () => {
    const workers = [worker(), worker('FAILED', 'FAILED')];
    expect(await look({ workers, askTemporal: answers })).toEqual({
      alive: [503, 'a worker of this process has failed'],
      ready: [503, 'not polling its task queues'],
    });
  });

  it('are not ready when a poll has failed', async () => {
    const workers = [worker(), worker('RUNNING', 'FAILED')];
    const { ready } = await look({ workers, askTemporal: answers });
    expect(ready).toEqual([503, 'not polling its task queues']);
  });

  it('are all there is, and only to be read', async () => {
    const get = await serve(new Health(shutdown.signal));
    expect(await get('/')).toEqual([404, '/healthz and /readyz are here']);
    expect(await get('/healthz', { method: 'POST' })).toEqual([405, 'GET only']);
    expect(await get('/healthz?x=1')).toEqual([200, 'ok']);
    expect(await get('/healthz', { method: 'HEAD' })).toEqual([200, '']);
  });

  it('say which variable is wrong when the address is taken', async () => {
    const port = await freePort();
    const health = new Health(shutdown.signal);
    servers.push(await serveHealth(`127.0.0.1:${port}`, health));
    const second = serveHealth(`127.0.0.1:${port}`, health);
    await expect(second).rejects.toThrow(ConfigurationError);
    await expect(second).rejects.toThrow(/CSM_HEALTH_ADDRESS cannot be used: .*EADDRINUSE/);
  });
});
