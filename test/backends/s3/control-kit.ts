/** A world for the s3 control half whose SDK, clock, environment and network are the test's own. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControlWorld } from '../../../dist/backends/s3/control.js';
import type { S3DataConfig } from '../../../dist/backends/s3/config.js';
import type { StoreSnapshot } from '../../../dist/protocol/store.js';

export interface Given {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiration?: Date;
}

export interface FakeSdk {
  readonly module: unknown;
  /** Configurations of the clients that were made to resolve credentials. */
  readonly chains: Record<string, unknown>[];
  /** Options of each call for credentials. */
  readonly asked: unknown[];
  destroyed: number;
}

/** An SDK whose chain is `provide`, and whose rules put the bucket into the path of one host. */
export function fakeSdk(provide: () => Promise<unknown>): FakeSdk {
  const sdk: FakeSdk = { module: {}, chains: [], asked: [], destroyed: 0 };
  class S3Client {
    readonly middlewareStack = { add: () => {} };
    readonly config: {
      credentials: (options: unknown) => Promise<unknown>;
      endpointProvider: (parameters: object) => unknown;
    };
    constructor(config: Record<string, unknown>) {
      if (config.credentials === undefined) sdk.chains.push(config);
      this.config = {
        credentials: (options) => {
          sdk.asked.push(options);
          return provide();
        },
        endpointProvider: () => ({ url: new URL(`https://s3.${String(config.region)}.test/bucket`) }),
      };
    }
    send(): Promise<unknown> {
      this.config.endpointProvider({});
      return Promise.resolve({});
    }
    destroy(): void {
      sdk.destroyed++;
    }
  }
  class GetObjectCommand {
    readonly name = 'GetObject';
  }
  Object.assign(sdk.module as object, { S3Client, GetObjectCommand });
  return sdk;
}

export function world(changes: Partial<ControlWorld> = {}): ControlWorld {
  return {
    importModule: (name) => import(name),
    now: Date.now,
    env: { AWS_CONFIG_FILE: '/nonexistent/config', AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/credentials' },
    discoverRegion: () => Promise.reject(new Error('the test expected no request')),
    ...changes,
  };
}

export const configOf = (snapshot: StoreSnapshot): S3DataConfig => snapshot.config as S3DataConfig;

/** Writes a file of its own directory and gives its path. */
export async function file(text: string): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'millrace-s3-')), 'config');
  await writeFile(path, text);
  return path;
}
