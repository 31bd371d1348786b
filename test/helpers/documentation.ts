import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Reads a file of the repository. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** All pages that people read, with their paths. */
export const pages: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'SECURITY.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Targets of Markdown links and images that lead to this repository. */
export function linksOf(markdown: string): string[] {
  return [...markdown.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^https?:/.test(link));
}

/** Whether a page's link leads to a file, and to a heading in it. */
export function exists(page: string, link: string): boolean {
  const [path = '', heading] = link.split('#');
  const file = path === '' ? page : join(dirname(page), path);
  if (!existsSync(join(ROOT, file))) return false;
  return heading === undefined || headingsOf(read(file)).includes(heading);
}

/** Names of headings in links, as GitHub makes them. */
function headingsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** Lines of shell code, with continued lines joined. */
export function commandsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^ *```sh\n([\s\S]*?)^ *```$/gm)].flatMap(([, code = '']) =>
    code
      .replaceAll(/\\\n\s*/g, '')
      .split('\n')
      .map((line) => line.trim()),
  );
}

/** Code between single backticks in the text, not that of blocks. */
export function spansOf(markdown: string): string[] {
  const text = markdown.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '');
  return [...text.matchAll(/(?<!`)`([^`\n]+)`(?!`)/g)].map(([, code = '']) => code);
}

/** A section, from its heading to the next one of the same level. */
export function sectionOf(markdown: string, title: string): string {
  const start = markdown.indexOf(`## ${title}\n`);
  if (start < 0) throw new Error(`there is no heading "${title}"`);
  const end = markdown.indexOf('\n## ', start + 1);
  return markdown.slice(start, end < 0 ? undefined : end);
}

/** Cells of the first table below a heading, without its head. */
export function tableBelow(markdown: string, title: string): string[][] {
  const lines = sectionOf(markdown, title).split('\n');
  const first = lines.findIndex((line) => line.startsWith('|'));
  const rest = lines.slice(first);
  const end = rest.findIndex((line) => !line.startsWith('|'));
  return rest.slice(2, end < 0 ? undefined : end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/**
 * The programs that a line of shell code starts, each with its arguments: what pipes and other signs part.
 * Variables that are set before a program, and `npx` and `sudo`, are left out.
 */
export function programsOf(line: string): string[][] {
  const programs: string[][] = [[]];
  // Quoted text, a comment, signs between programs, or plain text.
  const tokens = /'([^']*)'|"([^"]*)"|(?<=^|\s)#.*$|(\|\||&&|[|;()]|<\()|([^\s'"|;&()]+)|(\s+)/g;
  let word: string | undefined;
  const end = () => {
    if (word !== undefined) programs.at(-1)?.push(word);
    word = undefined;
  };
  for (const [, single, double, sign, plain] of line.matchAll(tokens)) {
    const text = single ?? double ?? plain;
    if (text === undefined) end();
    else word = (word ?? '') + text;
    if (sign !== undefined) programs.push([]);
  }
  end();
  return programs.map(withoutPrefix).filter((words) => words.length > 0);
}

function withoutPrefix(words: readonly string[]): string[] {
  const first = words.findIndex((word) => !/^\w+=/.test(word) && !['npx', 'sudo'].includes(word));
  return first < 0 ? [] : words.slice(first);
}
