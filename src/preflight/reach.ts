import { isUnreachable, whyUnreachable } from '../mongo-failures.js';
import { redact } from '../redact.js';
import type { Findings, PreflightContext } from './report.js';

/**
 * Runs all checks of one side. Where the context has a time limit, that the side cannot be reached, or
 * does not answer in time, is one finding; what was found until then stays.
 */
export async function reachSide<T>(
  context: PreflightContext,
  findings: Findings,
  side: 'source' | 'target',
  check: (context: PreflightContext) => Promise<T>,
): Promise<T | undefined> {
  const { limitMs, signal, options } = context;
  if (limitMs === undefined) return check(context);
  const limit = AbortSignal.timeout(limitMs);
  const limited = signal ? AbortSignal.any([signal, limit]) : limit;
  const unanswered = new Promise<never>((_resolve, reject) => {
    limited.addEventListener('abort', () => reject(limited.reason), { once: true });
  });
  try {
    return await Promise.race([check({ ...context, signal: limited }), unanswered]);
  } catch (error) {
    const isLate = limit.aborted && signal?.aborted !== true;
    if (!isLate && !isUnreachable(error)) throw error;
    const why = isUnreachable(error) ? whyUnreachable(error) : `no answer in ${limitMs / 1000} s`;
    const alias = options[side];
    findings.error(
      `${side}Unreachable`,
      `the ${side} "${alias}" cannot be reached from the worker (${redact(why)}); see that its servers ` +
        `run, that host and port in MONGODB_URI_${alias.toUpperCase()} are right, and that no firewall ` +
        'is between them and the worker',
    );
    return undefined;
  }
}
