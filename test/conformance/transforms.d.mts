import type { TransformFunction } from '../../dist/protocol/context.js';
export function createMortal(die: () => Promise<never>): TransformFunction;
export default createMortal;
