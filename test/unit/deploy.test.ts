import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { Service } from 'kubernetes-models/v1/Service';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { readConfiguration } from '../../src/configuration.js';
import { commandsOf, sectionOf } from '../helpers/documentation.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** Seconds that a worker takes at most after SIGTERM, as docs/deploy.md says. */
const END_SECONDS = 30;

interface Container {
  readonly env: readonly { readonly name: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly [probe: string]: unknown;
}

describe('deploy/kubernetes/worker.yaml', () => {
  const documents = parseAllDocuments(read('deploy/kubernetes/worker.yaml')).map((each) => {
    const plain: unknown = each.toJS();
    return plain as { kind: string; spec: never };
  });
  const of = (kind: string) => {
    const found = documents.find((each) => each.kind === kind);
    if (!found) throw new Error(`there is no ${kind}`);
    return found;
  };
  const models = { StatefulSet, Service, PodDisruptionBudget };

  it.each(Object.entries(models))('has a %s that the API takes', (kind, Model) => {
    const document = of(kind);
    const model = new Model(document);
    expect(() => model.validate()).not.toThrow();
    expect(() => new Model({ ...document, spec: { selector: 5 } } as never).validate()).toThrow();
  });

  it('has nothing else', () => {
    expect(documents.map(({ kind }) => kind).toSorted()).toEqual(Object.keys(models).toSorted());
  });

  it('gives the worker settings that it knows, and time to end', () => {
    const { template } = of('StatefulSet').spec as {
      template: {
        spec: { terminationGracePeriodSeconds: number; containers: [Container] };
      };
    };
    const { terminationGracePeriodSeconds, containers } = template.spec;
    expect(terminationGracePeriodSeconds).toBeGreaterThan(END_SECONDS);
    const [{ env, ports }] = containers;
    const names = env.map(({ name }) => name);
    const files = names.filter((name) => name.endsWith('_FILE'));
    expect(names).toContain('WORKER_HOST');
    expect(files).toHaveLength(2);
    const settings = Object.fromEntries(
      names.filter((name) => !files.includes(name)).map((name) => [name, 'x']),
    );
    const uri = 'mongodb://localhost';
    const { warnings } = readConfiguration({ ...settings, MONGODB_URI_A: uri });
    expect(warnings).toEqual([]);
    const image = read('Dockerfile');
    for (const { name, containerPort } of ports) {
      expect(image).toContain(`CSM_${name.toUpperCase()}_ADDRESS=0.0.0.0:${containerPort}`);
    }
  });
});

describe('deploy/systemd/changestream-migration.service', () => {
  const unit = read('deploy/systemd/changestream-migration.service');
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

  it('starts the worker as npm start does, and gives it time to end', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } };
    const [, command = ''] = /(node .*)$/.exec(scripts.start) ?? [];
    expect(value('ExecStart')).toBe(`/usr/bin/env ${command}`);
    expect(Number(value('TimeoutStopSec'))).toBeGreaterThan(END_SECONDS);
  });

  it('is installed with its settings in one file, which the worker does not read by itself', () => {
    const steps = commandsOf(sectionOf(read('docs/deploy.md'), 'systemd'));
    const moved = steps.indexOf(`sudo install -m 600 .env ${value('EnvironmentFile')}`);
    expect(moved).toBeGreaterThan(-1);
    expect(steps[moved + 1]).toBe('sudo rm .env');
    expect(value('EnvironmentFile')).not.toBe(`${value('WorkingDirectory')}/.env`);
  });

  it('has sections and directives of the right shape', () => {
    const lines = unit.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(
      lines.filter((line) => !/^(\[(Unit|Service|Install)\]|[A-Z]\w+=.+)$/.test(line)),
    ).toEqual([]);
  });
});

describe('.github/workflows/test.yml', () => {
  it('runs the same command as CI on every release of Node that is supported', () => {
    const workflow = parse(read('.github/workflows/test.yml')) as {
      jobs: {
        test: {
          strategy: { matrix: { node: readonly number[] } };
          steps: readonly { run?: string }[];
        };
      };
    };
    const { strategy, steps } = workflow.jobs.test;
    expect(strategy.matrix.node).toEqual([20, 22, 24]);
    expect(steps.flatMap(({ run }) => run ?? [])).toEqual(['.ci/run']);
  });
});
