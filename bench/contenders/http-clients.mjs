/** HTTP clients without S3: unsigned requests, bodies copied into recycled buffers where the client lets one. */
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { readFileSync } from 'node:fs';
import { BUCKET } from '../lib/data.mjs';
import { inLanes, rangeOf, recycledBuffers } from '../lib/lanes.mjs';

/** They ask for the paths of S3. */
const onS3 = ({ service }) => service === 's3';

/** What each request is made of, made once. @param {import('../lib/data.mjs').Piece[]} pieces */
function requestsOf(pieces) {
  return pieces.map((piece) => {
    const range = rangeOf(piece);
    return { path: `/${BUCKET}/${piece.key}`, headers: range === undefined ? {} : { range } };
  });
}

/**
 * @param {number} lanes
 * @param {readonly object[]} requests
 * @param {(request: object, lane: number) => Promise<Uint8Array>} fetchOne
 */
function runner(lanes, requests, fetchOne) {
  return (from, count, seen) =>
    inLanes(lanes, from, count, async (index, lane) => {
      const start = performance.now();
      const bytes = await fetchOne(requests[index % requests.length], lane);
      seen(index, bytes, performance.now() - start);
    });
}

function unexpected(status) {
  return new Error(`status ${status}; expected 200 or 206`);
}

export const undici = {
  name: 'undici',
  signed: false,
  works: onS3,
  async open({ work, origin, caFile }, pieces) {
    const { Pool } = await import('undici');
    const { connections, pieceBytes } = work;
    const pool = new Pool(origin, { connections, pipelining: 1, connect: { ca: readFileSync(caFile) } });
    const buffers = recycledBuffers(connections, pieceBytes);
    const fetchOne = ({ path, headers }, lane) =>
      new Promise((resolve, reject) => {
        const buffer = buffers[lane];
        let length = 0;
        pool.dispatch(
          { path, method: 'GET', headers },
          {
            onRequestStart() {},
            onResponseStart(controller, status) {
              if (status !== 200 && status !== 206) controller.abort(unexpected(status));
            },
            onResponseData(_controller, chunk) {
              buffer.set(chunk, length);
              length += chunk.length;
            },
            onResponseEnd() {
              resolve(buffer.subarray(0, length));
            },
            /** @param {unknown} _controller @param {Error} error */
            onResponseError(_controller, error) {
              reject(error);
            },
          },
        );
      });
    return { run: runner(connections, requestsOf(pieces), fetchOne), close: () => pool.close() };
  },
};

/** The `fetch` of Node.js; its body comes in a new buffer each time. The certificate's authority is in NODE_EXTRA_CA_CERTS. */
export const globalFetch = {
  name: 'fetch',
  signed: false,
  works: onS3,
  open({ work, origin }, pieces) {
    const requests = requestsOf(pieces).map(({ path, headers }) => ({ url: origin + path, headers }));
    const fetchOne = async ({ url, headers }) => {
      const response = await fetch(url, { headers });
      if (!response.ok) throw unexpected(response.status);
      return new Uint8Array(await response.arrayBuffer());
    };
    return { run: runner(work.connections, requests, fetchOne), close() {} };
  },
};

export const nodeHttp = {
  name: 'node-http',
  signed: false,
  works: onS3,
  open({ work, origin, caFile }, pieces) {
    const { connections, pieceBytes, protocol } = work;
    const secure = protocol === 'https';
    const options = { keepAlive: true, maxSockets: connections };
    const agent = secure ? new HttpsAgent({ ...options, ca: readFileSync(caFile) }) : new HttpAgent(options);
    const request = secure ? httpsRequest : httpRequest;
    const { hostname: host, port } = new URL(origin);
    const buffers = recycledBuffers(connections, pieceBytes);
    const fetchOne = ({ path, headers }, lane) =>
      new Promise((resolve, reject) => {
        const buffer = buffers[lane];
        let length = 0;
        const onResponse = (response) => {
          const { statusCode: status } = response;
          if (status !== 200 && status !== 206) response.destroy(unexpected(status));
          response.on('data', (chunk) => {
            buffer.set(chunk, length);
            length += chunk.length;
          });
          response.once('end', () => resolve(buffer.subarray(0, length)));
          response.once('error', reject);
        };
        request({ agent, host, port, path, headers }, onResponse).once('error', reject).end();
      });
    return { run: runner(connections, requestsOf(pieces), fetchOne), close: () => agent.destroy() };
  },
};
