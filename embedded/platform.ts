/** The platforms that have servers to obtain. */
export type Platform = 'linux-x64' | 'linux-arm64' | 'darwin-x64' | 'darwin-arm64';

const PLATFORMS: readonly string[] = [
  'linux-x64',
  'linux-arm64',
  'darwin-x64',
  'darwin-arm64',
] satisfies readonly Platform[];

function isPlatform(name: string): name is Platform {
  return PLATFORMS.includes(name);
}

/**
 * The platform by Node's names for it (`process.platform`, `process.arch`).
 *
 * @returns `undefined` where nothing can be obtained; programs on PATH or named by variables still work there
 */
export function platformOf(os: string, arch: string): Platform | undefined {
  const name = `${os}-${arch}`;
  return isPlatform(name) ? name : undefined;
}
