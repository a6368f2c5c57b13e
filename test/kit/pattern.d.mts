/** Bytes that tell their object and offset; the shapes are documented in pattern.mjs. */
export function mix32(value: number): number;
export function objectIdOf(key: string | Uint8Array, generation?: number): number;
export function fillPattern(objectId: number, offset: number, target: Uint8Array): void;
/** Index of the first wrong byte, or -1. */
export function verifyPattern(objectId: number, offset: number, bytes: Uint8Array): number;
export function patternBytes(objectId: number, length: number, offset?: number): Uint8Array<ArrayBuffer>;
/** Hex. */
export function patternSha256(objectId: number, size: number): string;
/** Unsigned. */
export function patternCrc32(objectId: number, size: number): number;
