import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Log } from '../../src/log.js';
import { startTracing } from '../../src/tracing.js';
import { takenAs } from '../helpers/taken-as.js';

const received: string[] = [];
const server = createServer((request, response) => {
  void text(request).then((body) => {
    received.push(`${request.url} ${body}`);
    response.end('{}');
  });
});

beforeEach(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', `http://127.0.0.1:${port}`);
  vi.stubEnv('OTEL_SERVICE_NAME', 'workers of the shop');
});

afterEach(() => {
  vi.unstubAllEnvs();
  server.close();
  server.closeAllConnections();
});

describe('tracing', () => {
  it('sends a span for each attempt of a step, with its workflow and how it ended', async () => {
    const tracing = await startTracing(takenAs<Log>({ warn: () => undefined }));
    const info = {
      activityType: 'captureToken',
      inWorkflow: true,
      workflowExecution: { workflowId: 'migrate:a:shop.orders', runId: 'run-1' },
    };
    const run = async (step: () => Promise<unknown>) =>
      new MockActivityEnvironment(info, { interceptors: [tracing.interceptor] }).run(step);
    await run(async () => 'done');
    await expect(run(async () => Promise.reject(new Error('no primary')))).rejects.toThrow();
    await tracing.stop();
    const sent = received.join('\n');
    expect(sent).toMatch(/^\/v1\/traces /);
    for (const part of [
      'workers of the shop',
      'RunActivity:captureToken',
      'migrate:a:shop.orders',
      'no primary',
    ]) {
      expect(sent).toContain(part);
    }
  });
});
