import { execa } from 'execa';
import { judge } from './judge.js';

/** Advisories that do not concern this project, with the reason why, by their id (`GHSA-…`). */
const EXPLAINED: Readonly<Record<string, string>> = {};

/** A registry that does not answer must not hold up whoever waits for the tests. */
const TIMEOUT_MS = 60_000;

const { stdout } = await execa(
  'npm',
  ['audit', '--omit=dev', '--json', '--fetch-retries=0', '--fetch-timeout=20000'],
  { reject: false, timeout: TIMEOUT_MS },
);
const verdict = judge(stdout, EXPLAINED);
if (verdict.kind === 'vulnerable') {
  console.error('Known vulnerabilities in the packages that users install:');
  for (const line of verdict.advisories) console.error(`  ${line}`);
  process.exitCode = 1;
} else if (verdict.kind === 'unknown') {
  console.log(`Vulnerabilities of packages are NOT known: ${verdict.reason}`);
} else {
  console.log('No known vulnerabilities in the packages that users install.');
  for (const line of verdict.explained) console.log(`  explained: ${line}`);
}
