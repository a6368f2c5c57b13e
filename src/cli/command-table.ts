/** The commands and their options, once: what is parsed is what the help prints. */

export interface OptionSpec {
  /** Name of the value in the help; absent for a flag. */
  readonly value?: string;
  /** `--name` alone is allowed too, and then only `--name=value` gives a value. */
  readonly optional?: boolean;
  readonly short?: string;
  readonly help: string;
}

export interface CommandSpec {
  readonly summary: string;
  /** How the operands read in the usage line. */
  readonly operands: string;
  readonly minOperands: number;
  readonly maxOperands: number;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Lines under the options. */
  readonly notes: readonly string[];
}

/** Options of every command: how stores are reached, and how much of the machine is used. */
const COMMON: Readonly<Record<string, OptionSpec>> = {
  endpoint: { value: 'URL', help: 'S3 service, for servers other than AWS: http://127.0.0.1:9000' },
  region: { value: 'NAME', help: 'S3 region' },
  profile: { value: 'NAME', help: 'profile of the shared AWS configuration files' },
  anonymous: { help: 'send unsigned requests, for public buckets' },
  'path-style': { help: 'http://host/bucket/key rather than http://bucket.host/key' },
  ca: { value: 'FILE', help: 'PEM bundle to trust' },
  workers: { value: 'N', help: 'worker threads (default: one less than there are cores)' },
  memory: { value: 'SIZE', help: 'memory budget, such as 64MiB (default: 512MiB)' },
  connections: { value: 'N', help: 'connections of all workers together (default: 64)' },
  'max-bandwidth': { value: 'SIZE', help: 'at most so many bytes a second, such as 50MB' },
  json: { help: 'machine-readable output: one JSON document per line' },
  verbose: { short: 'v', help: 'errors with phase, request id, causes and stack' },
  help: { short: 'h', help: 'print this text' },
  version: { help: 'print the version' },
};

const LOADER: Readonly<Record<string, OptionSpec>> = {
  'batch-size': { value: 'N', help: 'items per batch' },
  'batch-bytes': { value: 'SIZE', help: 'a batch closes before it would grow over this' },
  prefetch: { value: 'N', help: 'batches that may wait, ready' },
  objects: { value: 'N', help: 'objects that may be with workers at the same time' },
  shuffle: {
    value: 'N',
    optional: true,
    help: 'full permutation (needs a length), or =N: through a buffer of N',
  },
  seed: { value: 'TEXT', help: 'decides the order, with the epoch' },
  order: { value: 'ORDER', help: 'sequence (as planned) or completion (as they come)' },
  ranges: {
    value: 'PLAN',
    help: 'off, or a list such as split=64MiB,part=8MiB,parts=16: how large objects are split',
  },
  transform: { value: 'MODULE', help: 'module whose default export runs on each object in the worker' },
  verify: {
    value: 'POLICY',
    help: 'auto (cheap checksums of the service), always (any that it gives) or never',
  },
  'skip-errors': { help: 'leave failed objects out and record them' },
  attempts: { value: 'N', help: 'attempts at one object or part before it fails' },
};

const DRY_RUN: OptionSpec = { short: 'n', help: 'tell what would be done, and do nothing' };

export const COMMANDS = {
  ls: {
    summary: 'list one level below a prefix, or everything',
    operands: 'URI...',
    minOperands: 1,
    maxOperands: Infinity,
    options: { recursive: { short: 'r', help: 'everything below the prefix' }, ...COMMON },
    notes: [
      'Prints size, date and URI. The URI is a prefix: end it with "/" to look into a folder.',
      'On a terminal, control characters in names are shown escaped.',
    ],
  },
  stat: {
    summary: 'size, version, date and type of objects',
    operands: 'URI...',
    minOperands: 1,
    maxOperands: Infinity,
    options: COMMON,
    notes: [],
  },
  cat: {
    summary: 'objects of any size to standard output, in order',
    operands: 'URI...',
    minOperands: 1,
    maxOperands: Infinity,
    options: {
      range: { value: 'RANGE', help: 'bytes: 0-99 (both included), 100- (to the end), =-500 (the last 500)' },
      ...COMMON,
    },
    notes: ['An object that changes while it is read ends the command with VersionChanged.'],
  },
  get: {
    summary: 'objects, or everything below a prefix, to files',
    operands: 'URI...',
    minOperands: 1,
    maxOperands: Infinity,
    options: {
      output: {
        value: 'PATH',
        short: 'o',
        help: 'file (one object) or directory (default: the current one)',
      },
      recursive: { short: 'r', help: 'the URIs are prefixes: fetch everything below them' },
      fsync: { help: 'wait until each file is on the disk before it gets its name' },
      ...COMMON,
    },
    notes: [
      'A file appears under its name when all of its bytes are there, and not before.',
      'With -r, what is below a prefix goes into the directory itself. Several prefixes have a folder each, named after',
      'their last parts; two that could have the same file are refused.',
      'With -r, keys that cannot be a path below the directory ("..", empty parts, NUL, not UTF-8, over 255 bytes), or',
      'whose place is taken by something else, are named and left out, and the exit code is 1: nothing is written',
      'outside of the directory.',
    ],
  },
  put: {
    summary: 'files, or standard input, to objects',
    operands: 'SOURCE... URI',
    minOperands: 2,
    maxOperands: Infinity,
    options: {
      'content-type': { value: 'TYPE', help: 'media type of the objects, such as text/plain' },
      'if-absent': { help: 'only where there is no such object yet' },
      'if-version': { value: 'VERSION', help: 'only where the object has this version, as stat tells it' },
      'part-size': {
        value: 'SIZE',
        help: 'bytes of one part of a large object (default: what the service is best with)',
      },
      ...COMMON,
    },
    notes: [
      'SOURCE is a path, or "-" for standard input, whose length need not be known. A URI that ends in "/" takes the',
      'names of the files; several sources need one.',
      'An object is there as a whole or not at all. After SIGINT or SIGTERM no object is begun, and one that was sent in',
      'parts is given up. A process that is killed may leave parts: "millrace doctor URI" finds them.',
    ],
  },
  cp: {
    summary: 'one object, or everything below a folder, to another place',
    operands: 'SOURCE TARGET',
    minOperands: 2,
    maxOperands: 2,
    options: {
      recursive: { short: 'r', help: 'SOURCE and TARGET are folders: copy everything below SOURCE' },
      'dry-run': DRY_RUN,
      update: {
        short: 'u',
        help: 'leave out what TARGET has in the same size and not older, or in the same version',
      },
      'no-clobber': { help: 'leave out what TARGET has already, whatever it is' },
      concurrency: { value: 'N', help: 'with -r: objects at the same time (default: 64)' },
      ...COMMON,
    },
    notes: [
      'Both are URIs of any scheme, or paths. A TARGET that ends in "/" takes the name of SOURCE. With -r both are taken',
      'as folders, and a slash is added where there is none. Inside a service it copies without the bytes coming here.',
      'One that fails keeps no other: it is named, and the exit code is 1. Begun again with -u, it goes on.',
      'Nothing is removed from TARGET that SOURCE does not have.',
    ],
  },
  rm: {
    summary: 'delete objects, or everything below folders',
    operands: 'URI...',
    minOperands: 1,
    maxOperands: Infinity,
    options: {
      recursive: { short: 'r', help: 'the URIs are folders: delete everything below them' },
      'dry-run': DRY_RUN,
      force: { short: 'f', help: 'with -r: allow a whole bucket' },
      ...COMMON,
    },
    notes: [
      'An object that is not there is no failure. With -r a slash is added where there is none, so that "logs" never means',
      '"logs-old" as well. A whole bucket needs --force; the root of the file system is refused.',
    ],
  },
  load: {
    summary: 'run a loader over a prefix and tell what came',
    operands: 'URI',
    minOperands: 1,
    maxOperands: 1,
    options: {
      ...LOADER,
      epochs: { value: 'N', help: 'go through the objects so many times (default: 1)' },
      ...COMMON,
    },
    notes: ['The progress line is drawn on standard error, when that is a terminal.'],
  },
  explain: {
    summary: 'print each option of a loader: value, origin, reason',
    operands: 'URI',
    minOperands: 1,
    maxOperands: 1,
    options: { ...LOADER, ...COMMON },
    notes: ['Nothing is fetched.'],
  },
  doctor: {
    summary: 'what is installed and works; for a URI, whether it can be reached, and unfinished uploads',
    operands: '[URI]',
    minOperands: 0,
    maxOperands: 1,
    options: {
      'abort-older-than': {
        value: 'AGE',
        help: 'give up uploads below the URI that were begun so long ago: 24h',
      },
      'dry-run': DRY_RUN,
      ...COMMON,
    },
    notes: [
      'An unfinished upload may still be under way: give an age that none of yours takes.',
      'No secret is printed. Exit code 1: something that was looked at does not work.',
    ],
  },
} as const satisfies Readonly<Record<string, CommandSpec>>;

export type CommandName = keyof typeof COMMANDS;
