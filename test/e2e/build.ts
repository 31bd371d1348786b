import { execa } from 'execa';

/** Builds the worker once: the tests run what `npm start` runs. */
export async function setup(): Promise<void> {
  await execa('npm', ['run', '--silent', 'build']);
}
