/**
 * The optional peer `@aws-sdk/client-s3`: loading it, and the few parts of it that the control half uses. Only what is
 * described here is relied on, so any version of the SDK's third generation that the peer range allows will do.
 */
import { importPackage, unavailable } from '../http/packages.js';

export interface SdkCredentialsProvider {
  (options?: { forceRefresh?: boolean }): Promise<unknown>;
}

/** What the SDK's endpoint rules give for one request. */
export interface SdkEndpoint {
  readonly url: URL;
  readonly properties?: { readonly authSchemes?: readonly SdkAuthScheme[] } | undefined;
}

export interface SdkAuthScheme {
  /** `sigv4`, `sigv4a`... */
  readonly name?: string | undefined;
  readonly signingName?: string | undefined;
  readonly signingRegion?: string | undefined;
}

export interface SdkEndpointParameters {
  Endpoint?: string | undefined;
  ForcePathStyle?: boolean | undefined;
}

export interface SdkClient {
  readonly config: {
    readonly credentials: SdkCredentialsProvider;
    endpointProvider: (parameters: SdkEndpointParameters, context?: unknown) => SdkEndpoint;
  };
  readonly middlewareStack: {
    add(
      middleware: (next: unknown) => (args: unknown) => Promise<unknown>,
      options: { step: 'build'; priority: 'high'; name: string },
    ): void;
  };
  send(command: unknown): Promise<unknown>;
  destroy(): void;
}

export interface SdkModule {
  readonly S3Client: new (config: Record<string, unknown>) => SdkClient;
  readonly GetObjectCommand: new (input: { Bucket: string; Key: string }) => unknown;
}

const SDK = '@aws-sdk/client-s3';

/** Imports the SDK. Rejects with `ModuleUnavailable`, which says how to install it. */
export async function loadSdk(importModule: (name: string) => Promise<unknown>): Promise<SdkModule> {
  const loaded = await importPackage(
    SDK,
    importModule,
    `s3:// needs the optional package ${SDK}, which is not installed: npm install ${SDK}`,
  );
  const module = loaded as Partial<SdkModule> | null;
  if (typeof module?.S3Client === 'function' && typeof module.GetObjectCommand === 'function') {
    return module as SdkModule;
  }
  throw unavailable(
    `The package ${SDK} has no S3Client; a third-generation release is needed: npm install ${SDK}@3`,
  );
}

const silent = (): void => {};
/** The library writes nothing to the console, and neither does the SDK on its behalf. */
export const SILENT_LOGGER = { trace: silent, debug: silent, info: silent, warn: silent, error: silent };
