import type { StoreTraits } from '../../dist/testing/index.js';

/** One store that the suite is run over. */
export interface Column {
  /** Of the tests. */
  readonly name: string;
  readonly scheme: string;
  /** What answers, as the page calls it; with the scheme it is unique. */
  readonly server: string;
  readonly traits: StoreTraits;
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
