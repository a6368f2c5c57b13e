/**
 * How an item's bytes are shown to the user.
 *
 * Shared memory cannot be detached: a view that outlives its batch would show other bytes. Checked mode therefore
 * copies each item into memory of its own and detaches that on release, so that late reads fail at once.
 */
import type { Arena } from '../protocol/arena.js';
import { ownCopy } from '../protocol/copy.js';
import type { ItemRecord } from '../actors/supervisor/types.js';

/** Bytes of one payload; made when first looked at. */
export interface ByteSource {
  view(payload: BytesPayload): Uint8Array;
  /** Called with each view when its item is released. */
  detach(view: Uint8Array): void;
}

export type BytesPayload = Exclude<ItemRecord['payload'], { kind: 'value' }>;

export function createByteSource(arena: Arena, checked: boolean): ByteSource {
  const shared = (payload: BytesPayload): Uint8Array =>
    payload.kind === 'lease' ? new Uint8Array(arena.buffer, payload.offset, payload.length) : payload.bytes;
  if (!checked) return { view: shared, detach: () => {} };
  return {
    view: (payload) => ownCopy(shared(payload)),
    detach: (view) => {
      // The way to detach that Node 20 has: `ArrayBuffer.prototype.transfer` came later.
      if (view.buffer instanceof ArrayBuffer) structuredClone(view.buffer, { transfer: [view.buffer] });
    },
  };
}
