/**
 * Every store that the suite is run over, and what its server is known to get wrong: the columns of docs/backends.md.
 *
 * A module of plain JavaScript, because the page is written from it without a compiler. How each is opened stands in the
 * test file of its scheme.
 */
import { createAzureScheme } from '../../dist/backends/azure/scheme.js';
import { WRITE_LIMITS as FILE_LIMITS } from '../../dist/backends/file/scheme.js';
import { WRITE_LIMITS as GCS_LIMITS } from '../../dist/backends/gcs/writes.js';
import { WRITE_LIMITS as S3_LIMITS } from '../../dist/backends/s3/writes.js';

/** @typedef {import('./columns.mjs').Column} Column */
/** @typedef {import('../../dist/testing/index.js').StoreExceptions} StoreExceptions */

const HTTP_KEYS = ['/leading slash', 'double//slash', 'ends with a slash/', '\t', 'new\nline'];
const ANY_BYTES = Uint8Array.of(0x78, 0xff, 0xfe);

const S3 = { extraKeys: HTTP_KEYS, writes: S3_LIMITS };

/** @type {StoreExceptions} */
const RADOSGW = {
  'put-if-version': 'radosgw 16.2 refuses a PUT with `If-Match` though the version holds',
  'complete-conditions': 'radosgw 16.2 ignores the conditions of a completion',
  'complete-aborted': 'radosgw 16.2 answers the completion of an aborted upload with 500',
  'copy-source-version': "radosgw 16.2 ignores the version of a copy's source",
  'copy-conditions': 'radosgw 16.2 ignores the conditions of a copy',
  'delete-if-version': 'radosgw 16.2 ignores `If-Match` of a DELETE',
};

const SWIFT_PUT = 'Swift s3api 2.30 answers a PUT with any condition with 501';
/** @type {StoreExceptions} */
const SWIFT = {
  'put-if-absent': SWIFT_PUT,
  'put-if-version': SWIFT_PUT,
  'put-conditions': SWIFT_PUT,
  'copy-conditions': SWIFT_PUT,
  'complete-refused':
    'Swift s3api 2.30 takes no completion that lists checksums of its parts (400 MalformedXML)',
  'delete-many':
    'Swift s3api 2.30 answers many deletions with an empty element, `<DeleteResult/>`, which the data half of s3 does not take for an answer',
};

const AZURE_REFUSED = {
  keys: ['back\\slash', 'tilde~dash-under_dot.', '...', '..', '../up', 'a/./b', 'a/../b', 'dot./b'],
  reason:
    'Azure cuts dots off the ends of segments, resolves `.` and `..`, and takes a backslash for a slash: such keys are refused before they are asked for',
};
/** @type {StoreExceptions} */
const AZURE = {
  'abort-keeps': 'Azure has no abort: blocks of an upload that was given up stay for a week',
  'complete-aborted': 'Azure has no abort: an upload that was given up can still be completed',
  'uploads-by-key': 'Azure lists uploads by the keys alone that they are for, and without parts not at all',
};
const AZ = {
  extraKeys: ['double//slash', 'ends with a slash/', '\t', 'new\nline'],
  refusedKeys: AZURE_REFUSED,
  writes: createAzureScheme({}).writes,
};
/** @type {StoreExceptions} */
const AZURITE_OWN = {
  'utf-16-order': 'Azurite 3.35 lists in the order of UTF-16',
  'uploads-unlisted': 'Azurite 3.35 shows a blob of which only blocks exist as if it were there',
};

const AZURITE = { ...AZURE, ...AZURITE_OWN };
const NO_COPY = 'Azurite 3.35 has no Put Blob From URL';
const BROKEN_COPY =
  'Azurite 3.35, asked by signature for the Put Blob From URL that it does not have, fails with 500';

const GS = { extraKeys: HTTP_KEYS, writes: GCS_LIMITS };
/** @type {StoreExceptions} */
const GCS = {
  'complete-conditions': 'Google takes the condition of an upload when it begins, and not at its end',
  'uploads-by-key': 'the scripted server does not tell when an upload was begun',
};

const NO_XML_COPY = 'the scripted XML API copies nothing';

const NO_CONDITIONS = 'the Firebase emulator looks at no condition of a write: none is claimed of it';
/** @type {StoreExceptions} */
const FIREBASE = {
  'utf-16-order': 'the Firebase emulator lists in the order of UTF-16',
  'counts-prefixes': 'the Firebase emulator cuts the keys into pages, and names all prefixes on each',
  'old-versions':
    'the Firebase emulator ignores generations, so that bytes of another version come and are refused',
};

/** @type {StoreExceptions} */
const FILE = { 'content-type': 'files have no content type' };

/** @type {Readonly<Record<string, Column>>} */
export const COLUMNS = {
  s3: {
    title: 's3',
    name: 's3 from the scripted origin',
    scheme: 's3',
    server: 'the scripted server',
    traits: S3,
  },
  radosgw: {
    title: 'radosgw',
    name: 's3 from radosgw',
    scheme: 's3',
    server: 'Ceph radosgw 16.2',
    traits: { ...S3, exceptions: RADOSGW },
  },
  radosgwTls: {
    title: 'radosgw TLS',
    name: 's3 from radosgw over TLS',
    scheme: 's3',
    server: 'Ceph radosgw 16.2, TLS',
    traits: { ...S3, exceptions: RADOSGW },
  },
  swift: {
    title: 'Swift',
    name: 's3 from Swift',
    scheme: 's3',
    server: 'OpenStack Swift 2.30 with s3api',
    traits: { ...S3, exceptions: SWIFT },
  },
  azure: {
    title: 'az',
    name: 'az from the scripted origin by account key',
    scheme: 'az',
    server: 'the scripted server, account key',
    traits: { ...AZ, exceptions: AZURE },
  },
  azureToken: {
    title: 'az token',
    name: 'az from the scripted origin by access token',
    scheme: 'az',
    server: 'the scripted server, access token',
    traits: { ...AZ, exceptions: AZURE },
  },
  azurite: {
    title: 'Azurite',
    name: 'az from Azurite by account key',
    scheme: 'az',
    server: 'Azurite 3.35, account key',
    traits: {
      ...AZ,
      exceptions: { ...AZURITE, 'copy-unsupported': NO_COPY },
    },
  },
  azuriteSas: {
    title: 'Azurite SAS',
    name: 'az from Azurite by shared access signature, over TLS',
    scheme: 'az',
    server: 'Azurite 3.35, SAS, TLS',
    traits: {
      ...AZ,
      exceptions: {
        ...AZURITE,
        'copy-broken': BROKEN_COPY,
      },
    },
  },
  gcs: {
    title: 'gs',
    name: 'gs from the scripted origin by access token',
    scheme: 'gs',
    server: 'the scripted server, access token',
    traits: { ...GS, exceptions: GCS },
  },
  gcsHmac: {
    title: 'gs HMAC',
    name: 'gs from the scripted origin by HMAC key',
    scheme: 'gs',
    server: 'the scripted server, HMAC key',
    traits: {
      ...GS,
      exceptions: { ...GCS, 'copy-unsupported': NO_XML_COPY },
    },
  },
  gcsEmulator: {
    title: 'Firebase',
    name: 'gs from the emulator',
    scheme: 'gs',
    server: "Google's Firebase storage emulator",
    traits: {
      extraKeys: HTTP_KEYS,
      exceptions: FIREBASE,
      writes: null,
    },
    unwritten: NO_CONDITIONS,
  },
  file: {
    title: 'file',
    name: 'file',
    scheme: 'file',
    server: 'the page cache',
    traits: {
      extraKeys: ['new\nline', 'tab\t', '\u0001', ANY_BYTES, Uint8Array.of(0xc3, 0x28, 0x2f, 0x80)],
      exceptions: FILE,
      writes: FILE_LIMITS,
    },
  },
  direct: {
    title: 'direct',
    name: 'direct',
    scheme: 'direct',
    server: '`O_DIRECT`',
    traits: { extraKeys: ['new\nline', 'tab\t', '\u0001', ANY_BYTES], exceptions: FILE, writes: FILE_LIMITS },
  },
  memory: {
    title: 'memory',
    name: 'memory',
    scheme: 'memory',
    server: 'shared memory',
    traits: {
      extraKeys: ['/leading slash', 'double//slash', './dot', '../dots', 'a/', 'new\nline', ANY_BYTES],
      writes: null,
    },
  },
  decorated: {
    title: 'decorated',
    name: 'decorated memory',
    scheme: 'memory',
    server: 'below every decorator',
    traits: { extraKeys: ['/leading slash', 'double//slash', 'a/'], writes: null },
  },
};

/**
 * Whose limit each reason is: of services and devices first, which every client meets, then of servers that only the tests
 * run against. The numbers of docs/backends.md are the places in here.
 *
 * @type {readonly import('./columns.mjs').Limits[]}
 */
export const LIMITS = [
  { of: 'Azure Blob Storage', isService: true, reasons: [AZURE_REFUSED.reason, ...Object.values(AZURE)] },
  { of: 'Google Cloud Storage', isService: true, reasons: [GCS['complete-conditions']] },
  { of: 'file and direct', isService: true, reasons: Object.values(FILE) },
  { of: 'millrace', isService: true, reasons: [SWIFT['delete-many']] },
  { of: 'Ceph radosgw 16.2', isService: false, reasons: Object.values(RADOSGW) },
  {
    of: 'OpenStack Swift 2.30 with s3api',
    isService: false,
    reasons: [SWIFT_PUT, SWIFT['complete-refused']],
  },
  { of: 'Azurite 3.35', isService: false, reasons: [...Object.values(AZURITE_OWN), NO_COPY, BROKEN_COPY] },
  {
    of: "Google's Firebase storage emulator",
    isService: false,
    reasons: [...Object.values(FIREBASE), NO_CONDITIONS],
  },
  { of: 'the scripted servers', isService: false, reasons: [GCS['uploads-by-key'], NO_XML_COPY] },
];
