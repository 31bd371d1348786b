import { isUnauthorized, REFUSAL, refusalCode } from '../mongo/catalogue.js';
import type { Findings } from './report.js';

/** What a check that may be refused needs for its finding. */
export interface Attempt {
  /** `source` or `target`. */
  readonly side: string;
  /** `sourceFindRefused`. */
  readonly code: string;
  /** Privilege that is missing, as MongoDB names it, and on what. */
  readonly privilege: string;
}

/**
 * Tries something; that the user may not do it is a finding. All other errors pass: a server that
 * cannot be reached may be there the next time.
 */
export async function permitted<T>(
  findings: Findings,
  { side, code, privilege }: Attempt,
  run: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (!isUnauthorized(error)) throw error;
    findings.error(
      code,
      `the user of the ${side} lacks the privilege ${privilege}; grant it, or a role that has it`,
    );
    return undefined;
  }
}

/** Runs all checks of one side; wrong credentials are one finding. */
export async function signedIn<T>(
  findings: Findings,
  side: string,
  run: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (refusalCode(error) !== REFUSAL.authenticationFailed) throw error;
    findings.error(
      `${side}AuthenticationFailed`,
      `the ${side} refuses the user name or the password of its connection string; correct it on ` +
        'the worker (a special character in it has to be percent-encoded) and look at authSource',
    );
    return undefined;
  }
}
