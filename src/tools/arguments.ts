/** Namespace that a tool reads or writes; each tool gets it as two options, never as a path. */
export interface ToolNamespace {
  readonly database: string;
  readonly collection: string;
}

/** `path` is `-` for standard output, or a folder when compressed: the tool refuses gzip to stdout. */
export function dumpArguments(
  options: ToolNamespace & {
    readonly configFile: string;
    readonly path: string;
    readonly queryFile?: string | undefined;
    readonly gzip: boolean;
  },
): readonly string[] {
  return [
    option('config', options.configFile),
    ...namespaceArguments(options),
    ...(options.queryFile === undefined ? [] : [option('queryFile', options.queryFile)]),
    option('out', options.path),
    ...(options.gzip ? ['--gzip'] : []),
  ];
}

/** `path` is `-` for standard input, or a file when compressed: the tool does not unzip stdin. */
export function restoreArguments(
  options: ToolNamespace & {
    readonly configFile: string;
    readonly path: string;
    readonly gzip: boolean;
    readonly insertionWorkers: number;
    readonly ordered: boolean;
  },
): readonly string[] {
  return [
    option('config', options.configFile),
    ...namespaceArguments(options),
    option('dir', options.path),
    ...(options.gzip ? ['--gzip'] : []),
    '--noIndexRestore',
    '--noOptionsRestore',
    // Or a single insertion worker becomes four: the tool hands its parallel collections over.
    '--numParallelCollections=1',
    option('numInsertionWorkersPerCollection', String(options.insertionWorkers)),
    ...(options.ordered ? ['--maintainInsertionOrder'] : []),
  ];
}

function namespaceArguments({ database, collection }: ToolNamespace): readonly string[] {
  if (!/^[^/\\. "$\0]+$/.test(database)) {
    throw new TypeError(`${JSON.stringify(database)} is not a name that a database can have`);
  }
  if (collection === '' || collection.includes('\0')) {
    throw new TypeError(`${JSON.stringify(collection)} is not a name that a collection can have`);
  }
  return [option('db', database), option('collection', collection)];
}

// One argument, so that a value such as --eval stays a value. The tools unquote what begins with a
// quotation mark (Go's rules, which read JSON), so such a value is quoted once more.
function option(name: string, value: string): string {
  return `--${name}=${value.startsWith('"') ? JSON.stringify(value) : value}`;
}
