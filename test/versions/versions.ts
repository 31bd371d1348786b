import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { obtainRelease, type Pair, pairs, readPair } from './pairs.js';

const helpText = `Runs the end-to-end tests and the soak with different versions of MongoDB at both ends.

  npm run test:versions -- [options]

  --pair SOURCE:TARGET   one pair only, such as 4.4:usual (may be repeated)
  --only PART            tests or soak
  --seed N               the soak's (as is: 1)
  --minutes M            the soak's (as is: 0.5), in either copy
  --help                 this text

A release is taken from MONGOD_4_4_BIN, MONGOD_5_0_BIN, MONGOD_6_0_BIN, else obtained where that is possible.`;

interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

interface Outcome {
  readonly pair: string;
  readonly step: string;
  readonly passed: boolean;
  readonly seconds: number;
}

const { values } = parseArgs({
  options: {
    pair: { type: 'string', multiple: true, default: [] },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '0.5' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

/** What is run with a pair; each in a process of its own. */
function stepsOf(): Step[] {
  const { seed, minutes, only = '' } = values;
  const options = `--restarts --seed ${seed} --minutes ${minutes} --documents 10000`;
  const soak = (copy: string): Step => ({
    name: `soak ${copy}`,
    args: `--import tsx test/soak/soak.ts --copy ${copy} ${options}`.split(' '),
  });
  const tests = {
    name: 'tests',
    args: 'node_modules/vitest/vitest.mjs run --project e2e'.split(' '),
  };
  return [tests, soak('dump'), soak('direct')].filter(({ name }) => name.startsWith(only));
}

async function runPair({ source, target }: Pair): Promise<Outcome[]> {
  const say = ({ what, message }: { what: string; message: string }) =>
    console.error(`${what}: ${message}`);
  const env = {
    MONGOD_BIN_SOURCE: await obtainRelease(source, say),
    MONGOD_BIN_TARGET: await obtainRelease(target, say),
  };
  const outcomes: Outcome[] = [];
  for (const { name, args } of stepsOf()) {
    const pair = `${source} to ${target}`;
    console.log(`\n${pair}: ${name}`);
    const startedAt = performance.now();
    const { failed } = await execa(process.execPath, args, {
      env,
      stdio: 'inherit',
      reject: false,
    });
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    outcomes.push({ pair, step: name, passed: !failed, seconds });
  }
  return outcomes;
}

if (values.help) {
  console.log(helpText);
} else {
  const chosen = values.pair.length > 0 ? values.pair.map(readPair) : pairs;
  const outcomes: Outcome[] = [];
  for (const pair of chosen) outcomes.push(...(await runPair(pair)));
  console.table(outcomes);
  process.exitCode = outcomes.every(({ passed }) => passed) ? 0 : 1;
}
