/** The Node binding of Apache OpenDAL (Rust), its s3 and fs services. */
import { BUCKET } from '../lib/data.mjs';
import { CREDENTIALS, REGION } from './credentials.mjs';

async function createOperator({ work, folder, origin }) {
  const { Operator } = await import('opendal');
  if (work.protocol === 'file') return new Operator('fs', { root: `${folder}/data/${BUCKET}` });
  return new Operator('s3', {
    root: '/',
    bucket: BUCKET,
    endpoint: origin,
    region: REGION,
    access_key_id: CREDENTIALS.accessKeyId,
    secret_access_key: CREDENTIALS.secretAccessKey,
    disable_config_load: 'true',
    disable_ec2_metadata: 'true',
  });
}

export const opendal = {
  name: 'opendal',
  signed: true,
  works: ({ protocol, service }) => service === 's3' || protocol === 'file',
  /** Its TLS has the roots of the public web built in and reads neither SSL_CERT_FILE nor an option. */
  unable: ({ protocol }) =>
    protocol === 'https' ? 'cannot be given the certificate authority of the origin' : null,
  async open(job, pieces) {
    const operator = await createOperator(job);
    const { default: pLimit } = await import('p-limit');
    const limit = pLimit(job.work.connections);
    const one = async (index, seen) => {
      const { key, offset, length, objectBytes } = pieces[index % pieces.length];
      const start = performance.now();
      const bytes =
        length === objectBytes
          ? await operator.read(key)
          : await operator.read(key, { offset: BigInt(offset), size: BigInt(length) });
      seen(index, bytes, performance.now() - start);
    };
    return {
      async run(from, count, seen) {
        await Promise.all(Array.from({ length: count }, (_, i) => limit(one, from + i, seen)));
      },
      close() {},
    };
  },
};
