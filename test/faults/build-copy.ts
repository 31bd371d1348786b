import { cp, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Parts of a build that a worker needs. */
const CODE = 'dist';

/**
 * Copies the build that is there into a folder of its own and makes it another one: another version, and
 * workflow code whose text differs, so that Temporal's worker takes it for another build.
 *
 * @param parent where the folder is to be
 * @returns the path of its worker
 */
export async function copyBuild(parent: string): Promise<string> {
  const folder = await mkdtemp(join(parent, 'build-'));
  await cp(CODE, join(folder, CODE), { recursive: true });
  await symlink(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
  const text = await readFile('package.json', 'utf8');
  const manifest = JSON.parse(text) as object;
  await writeFile(join(folder, 'package.json'), JSON.stringify({ ...manifest, version: '99.0.0' }));
  const bundle = join(folder, CODE, 'workflows.bundle.js');
  // Before it: at its end is the source map, which whatever follows may spoil.
  await writeFile(bundle, `// another build\n${await readFile(bundle, 'utf8')}`);
  return join(folder, CODE, 'worker.js');
}
