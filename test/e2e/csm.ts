import { execa } from 'execa';
import type { Environment } from './environment.js';

/** The built program as a child process, as anyone runs it; without a terminal. */
export function spawnCsm(
  { temporal, folder }: Environment,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  return execa(process.execPath, ['dist/cli/csm.js', ...args], {
    reject: false,
    extendEnv: false,
    stdin: 'ignore',
    env: {
      PATH: process.env['PATH'] ?? '',
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_CONFIG_FILE: `${folder}/temporal.toml`,
      ...env,
    },
  });
}
