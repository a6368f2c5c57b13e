import type { WorkerContext } from '../../dist/protocol/context.js';
export const actors: Readonly<Record<string, (context: WorkerContext) => Promise<void>>>;
