import type { StoreTraits } from '../../dist/testing/index.js';

/** One store that the suite is run over. */
export interface Column {
  /** Of the tests. */
  readonly name: string;
  /** Its head in the tables, unique. */
  readonly title: string;
  readonly scheme: string;
  /** What answers, as the page calls it; with what it is asked by. */
  readonly server: string;
  readonly traits: StoreTraits;
  /** Why no write is claimed of a store that writes elsewhere. */
  readonly unwritten?: string;
}

export const COLUMNS: Readonly<
  Record<
    | 's3'
    | 'radosgw'
    | 'radosgwTls'
    | 'swift'
    | 'azure'
    | 'azureToken'
    | 'azurite'
    | 'azuriteSas'
    | 'gcs'
    | 'gcsHmac'
    | 'gcsEmulator'
    | 'file'
    | 'direct'
    | 'memory'
    | 'decorated',
    Column
  >
>;

/** Reasons of exceptions, and whose they are. */
export interface Limits {
  readonly of: string;
  /** Whether it is a limit in production, too, or of a server of the tests alone. */
  readonly isService: boolean;
  readonly reasons: readonly string[];
}

export const LIMITS: readonly Limits[];
