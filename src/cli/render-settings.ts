import type { Settings } from '../tuning.js';
import { bytes, number } from './format.js';

/** Limits of copying, capturing or comparing in words; nothing where there is none. */
export function describeLimits(
  settings: Settings,
  what: 'copy' | 'capture' | 'verify',
): string | undefined {
  // A worker of another version may not tell some.
  const documents = settings[`${what}DocumentsPerSecond`] ?? null;
  const size = settings[`${what}BytesPerSecond`] ?? null;
  const limits = [
    ...(documents === null ? [] : [`${number(documents)} documents/s`]),
    ...(size === null ? [] : [`${bytes(size)}/s`]),
  ];
  return limits.length > 0 ? `at most ${limits.join(' and ')}` : undefined;
}
