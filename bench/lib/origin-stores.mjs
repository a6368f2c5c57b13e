/**
 * The paths and headers of Azure and of Google, over the same files: as much of them as clients look at, and about as
 * many headers as the services send, because reading them costs CPU.
 */
import { join } from 'node:path';
import { AZURE } from '../contenders/credentials.mjs';
import { CHECKSUM_MAP, SIZE_MAP } from './announced.mjs';
import { BUCKET } from './data.mjs';

/** For the `http` block of nginx. @param {string} folder */
export function storeMaps(folder) {
  return `  map_hash_max_size 32768;
  map_hash_bucket_size 128;
  map $key $crc32c { include ${join(folder, CHECKSUM_MAP)}; }
  map $key $size { include ${join(folder, SIZE_MAP)}; }`;
}

/** For the `server` block. @param {string} folder */
export function storeLocations(folder) {
  return `    location /${AZURE.account}/${BUCKET}/ {
      alias ${folder}/data/${BUCKET}/;
${headers(AZURE_HEADERS)}
    }
    location ~ ^/(?:download/)?storage/v1/b/${BUCKET}/o/(?<key>[^/]+)$ {
      if ($arg_alt != media) { rewrite ^ /metadata last; }
      alias ${folder}/data/${BUCKET}/$key;
${headers(GOOGLE_HEADERS)}
    }
    location = /metadata {
      internal;
      default_type application/json;
      return 200 '${JSON.stringify(METADATA)}';
    }`;
}

/** @param {Record<string, string>} named */
function headers(named) {
  return Object.entries(named)
    .map(([name, value]) => `      add_header ${name} "${value}";`)
    .join('\n');
}

const AZURE_HEADERS = {
  'x-ms-request-id': '7c1f1f5e-001e-0042-3b1c-5a0b5e000000',
  'x-ms-version': '2023-11-03',
  'x-ms-creation-time': 'Fri, 20 Nov 2026 10:11:12 GMT',
  'x-ms-lease-status': 'unlocked',
  'x-ms-lease-state': 'available',
  'x-ms-blob-type': 'BlockBlob',
  'x-ms-server-encrypted': 'true',
};

const GOOGLE_HEADERS = {
  'x-goog-generation': '1795000000000000',
  'x-goog-metageneration': '1',
  'x-goog-hash': 'crc32c=$crc32c',
  'x-goog-stored-content-encoding': 'identity',
  'x-goog-stored-content-length': '$size',
  'x-goog-storage-class': 'STANDARD',
  'x-guploader-uploadid': 'AHmUCY0b3nchBenchBenchBenchBenchBenchBenchBenchBenchBench',
};

const METADATA = {
  kind: 'storage#object',
  bucket: BUCKET,
  name: '$key',
  generation: GOOGLE_HEADERS['x-goog-generation'],
  metageneration: '1',
  contentType: 'application/octet-stream',
  size: '$size',
  crc32c: '$crc32c',
};
