import { describe, expect, it } from 'vitest';
import { platformOf } from '../../../embedded/platform.js';

describe('platformOf', () => {
  it.each([
    ['linux', 'x64', 'linux-x64'],
    ['linux', 'arm64', 'linux-arm64'],
    ['darwin', 'x64', 'darwin-x64'],
    ['darwin', 'arm64', 'darwin-arm64'],
  ])('knows %s on %s', (os, arch, platform) => {
    expect(platformOf(os, arch)).toBe(platform);
  });

  it.each([
    ['win32', 'x64'],
    ['linux', 'ia32'],
    ['freebsd', 'x64'],
  ])('has nothing for %s on %s', (os, arch) => {
    expect(platformOf(os, arch)).toBeUndefined();
  });
});
