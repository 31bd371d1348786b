import { readFile, readdir, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { Ajv } from 'ajv';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import schema from '../fixtures/compose-spec.json' with { type: 'json' };

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): Promise<string> => readFile(new URL(path, `file://${root}`), 'utf8');

const compose: unknown = parse(await read('docker-compose.yml'), { merge: true });
const dockerfile = await read('Dockerfile');

const healthcheck = z.object({ test: z.array(z.string()) });
const { services, volumes } = z
  .object({
    services: z.record(
      z.string(),
      z.object({
        image: z.string(),
        build: z.string().optional(),
        restart: z.string(),
        entrypoint: z.array(z.string()).optional(),
        healthcheck: healthcheck.optional(),
        profiles: z.array(z.string()).default([]),
        ports: z.array(z.string()).default([]),
        volumes: z.array(z.string()).default([]),
        environment: z.record(z.string(), z.string()).default({}),
        depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
        stop_grace_period: z.string().optional(),
      }),
    ),
    volumes: z.record(z.string(), z.null()),
  })
  .parse(compose);
const all = Object.entries(services);

/** Worker's own grace for its activities, which the container has to outlast. */
const SHUTDOWN_GRACE_SECONDS = 20;

/** The Compose command of this machine, or undefined. */
async function composeCommand(): Promise<readonly [string, ...string[]] | undefined> {
  for (const command of [['docker', 'compose'], ['docker-compose']] as const) {
    const [file, ...args] = command;
    const { failed } = await execa(file, [...args, 'version'], { reject: false });
    if (!failed) return command;
  }
  return undefined;
}

const command = await composeCommand();

describe('docker-compose.yml', () => {
  it.skipIf(command === undefined)('is taken by docker compose', async () => {
    const [file = '', ...args] = command ?? [];
    await execa(file, [...args, 'config', '--quiet'], { cwd: root });
  });

  it('follows the Compose Specification', () => {
    // Its dialect is draft 7, by an address that Ajv does not know it under.
    const { $schema: _, ...rules } = schema;
    const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
    ajv.validate(rules, compose);
    expect(ajv.errors ?? []).toEqual([]);
  });

  it('would not follow it with a mistake', () => {
    const { $schema: _, ...rules } = schema;
    const ajv = new Ajv({ strict: false, validateFormats: false });
    expect(ajv.validate(rules, { services: { worker: { imgae: 'x' } } })).toBe(false);
  });

  it.each(all)('%s pins its image by a tag', (_, { image }) => {
    expect(image).toMatch(/^[a-z\d/.-]+:v?\d+(\.\d+)+(-[\w.]+)?$/);
  });

  it.each(all)('%s is only reachable from this machine', (_, { ports }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it.each(all)('%s waits for what tells when it is ready', (_, { depends_on: needs }) => {
    for (const [name, { condition }] of Object.entries(needs)) {
      const needed = services[name];
      expect(needed, name).toBeDefined();
      if (condition === 'service_healthy') expect(needed?.healthcheck, name).toBeDefined();
      else expect(needed?.restart, name).toMatch(/^on-failure/);
    }
  });

  it.each(all)('%s mounts what exists', async (_, { volumes: mounts, entrypoint = [] }) => {
    for (const mount of mounts) {
      const [source = '', , mode] = mount.split(':');
      if (source.startsWith('./')) {
        expect((await stat(new URL(source, `file://${root}`))).isDirectory()).toBe(true);
        expect(mode).toBe('ro');
      } else {
        expect(volumes).toHaveProperty(source);
      }
    }
    const script = entrypoint.find((word) => word.startsWith('/docker/'));
    const folder = mounts.find((mount) => mount.includes(':/docker:'))?.split(':')[0] ?? '';
    if (script !== undefined) await read(script.replace('/docker', folder));
  });

  it('starts sample writers, and what watches, by their profiles alone', () => {
    const optional = all.filter(([, { profiles }]) => profiles.length > 0);
    expect(optional.map(([name, { profiles }]) => [name, profiles])).toEqual([
      ['writers', ['demo']],
      ['prometheus', ['monitoring']],
      ['grafana', ['monitoring']],
    ]);
    for (const [name, { depends_on: needs, profiles }] of all) {
      const hidden = Object.keys(needs).filter((each) => services[each]?.profiles.length);
      if (profiles.length === 0) expect(hidden, name).toEqual([]);
    }
  });

  it('waits by health checks and never sleeps', async () => {
    const tests = all.flatMap(([, service]) => service.healthcheck?.test ?? []);
    const scripts = await readdir(new URL('docker', `file://${root}`), {
      recursive: true,
      withFileTypes: true,
    });
    // Writers wait for nothing: they keep a pace.
    const files = scripts.filter((entry) => entry.isFile() && entry.name !== 'writers.js');
    const texts = await Promise.all(
      files.map(({ parentPath, name }) => readFile(`${parentPath}/${name}`, 'utf8')),
    );
    expect([...tests, ...texts].join('\n')).not.toMatch(/\bsleep\b/i);
  });

  it('gives the worker longer to stop than the worker gives its activities', () => {
    const grace = Number.parseInt(services['worker']?.stop_grace_period ?? '', 10);
    expect(services['worker']?.stop_grace_period).toBe(`${grace}s`);
    expect(grace).toBeGreaterThan(SHUTDOWN_GRACE_SECONDS);
  });

  it('gives the worker its connections, its host and a volume for dumps', () => {
    const { environment, volumes: mounts, build } = services['worker'] ?? {};
    expect(build).toBe('.');
    expect(Object.keys(environment ?? {}).toSorted()).toEqual([
      'MONGODB_URI_SOURCE',
      'MONGODB_URI_TARGET',
      'TEMPORAL_ADDRESS',
      'WORKER_HOST',
    ]);
    const folder = /CSM_DUMP_FOLDER=(\S+)/.exec(dockerfile)?.[1];
    expect(mounts).toEqual([`dumps:${folder}`]);
  });
});

describe('docker/mongo/writers.js', async () => {
  const script = await read('docker/mongo/writers.js');

  /** Lets it write so many rounds into a collection, as mongosh would. */
  function write(collection: Map<number, object>, rounds: number): void {
    const toArray = () => [...collection.keys()].toSorted((a, b) => b - a).map((_id) => ({ _id }));
    const insertOne = (document: { readonly _id: number }) => {
      if (collection.has(document._id)) throw new Error(`a second ${document._id}`);
      collection.set(document._id, document);
    };
    const orders = {
      createIndex: () => undefined,
      find: () => ({ sort: () => ({ limit: () => ({ toArray }) }) }),
      insertOne,
      insertMany: (documents: readonly { readonly _id: number }[]) => documents.forEach(insertOne),
      deleteOne: ({ _id }: { _id: number }) => expect(collection.delete(_id)).toBe(true),
      updateOne: ({ _id }: { _id: number }) => expect(collection.has(_id)).toBe(true),
    };
    let left = rounds;
    const sleep = () => {
      left -= 1;
      if (left === 0) throw new Error('stopped');
    };
    expect(() => runInNewContext(script, { db: { getCollection: () => orders }, sleep })).toThrow(
      'stopped',
    );
  }

  it('fills the collection once, and goes on from where it was', () => {
    const collection = new Map<number, object>();
    write(collection, 5);
    expect([collection.size, Math.min(...collection.keys())]).toEqual([100_000, 5]);
    write(collection, 3);
    expect([collection.size, Math.min(...collection.keys())]).toEqual([100_000, 8]);
  });
});

describe('Dockerfile', () => {
  const bases = [...dockerfile.matchAll(/^FROM (?:--\S+ )*(\S+)/gm)].map(([, base = '']) => base);

  it('pins its bases by tag', () => {
    expect(bases.length).toBeGreaterThan(1);
    for (const base of bases) expect(base).toMatch(/^[a-z/]+:\d+\.\d+\.\d+-bookworm(-slim)?$/);
  });

  it('runs as a numbered user that is not root', () => {
    const users = [...dockerfile.matchAll(/^USER (\d+):/gm)].map(([, user]) => Number(user));
    expect(users).toEqual([1000]);
    expect(dockerfile.lastIndexOf('\nUSER ')).toBeGreaterThan(dockerfile.lastIndexOf('\nRUN '));
  });

  it('says when it is healthy', () => {
    expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  });

  it('copies only what .dockerignore lets in', async () => {
    const allowed = (await read('.dockerignore')).matchAll(/^!(.+)$/gm);
    const paths = [...allowed].map(([, path = '']) => path);
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(
      ([, sources = '']) => sources.split(' '),
    );
    expect(copied.length).toBeGreaterThan(0);
    for (const source of copied) {
      expect(
        paths.some((path) => source === path || source.startsWith(`${path}/`)),
        source,
      ).toBe(true);
      await stat(new URL(source, `file://${root}`));
    }
  });
});
