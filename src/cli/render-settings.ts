import type { Settings } from '../tuning.js';
import { bytes, number } from './format.js';

/** Limits of copying or comparing in words; nothing where there is none. */
export function describeLimits(settings: Settings, what: 'copy' | 'verify'): string | undefined {
  const documents = settings[`${what}DocumentsPerSecond`];
  const size = settings[`${what}BytesPerSecond`];
  const limits = [
    ...(documents === null ? [] : [`${number(documents)} documents/s`]),
    ...(size === null ? [] : [`${bytes(size)}/s`]),
  ];
  return limits.length > 0 ? `at most ${limits.join(' and ')}` : undefined;
}
