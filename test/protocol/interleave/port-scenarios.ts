/** Everything that a port is put through, by the claim that is made. Small enough that every order can be followed. */
import type { Scenario } from './explore.js';
import type { PortLibrary } from './port-claims.js';
import * as ends from './port-ends.js';
import * as open from './port-open.js';

export const PORT_SCENARIOS = {
  'a receiver that waits gets every message of one credit, and a sender that waits is woken': (lib) =>
    open.flow(lib, 1, 3, 'receive'),
  'a receiver that waits gets every message of two credits': (lib) => open.flow(lib, 2, 4, 'receive'),
  'a listener gets every message of two credits': (lib) => open.flow(lib, 2, 4, 'listen'),
  'two sends that wait for one credit both come through': (lib) => open.twoSends(lib, 1, 2),
  'two sends that wait for two credits both come through': (lib) => open.twoSends(lib, 2, 2),
  'a receiver that takes nothing holds its sender at the capacity': (lib) => open.heldBack(lib, 2, 4),
  'a send whose token is cancelled has sent, or has not and says so': (lib) =>
    open.cancelledWhileWaiting(lib, 1, 3),
  'a service and a worker that fill both directions never wait for each other': (lib) =>
    open.thereAndBack(lib, 1, 2),
  'the same with more jobs than answers can be under way': (lib) => open.thereAndBack(lib, 2, 3),
  'a receiver that closes a port of one credit gets exactly what it was told': (lib) =>
    ends.receiverCloses(lib, 1, 3),
  'a receiver that closes a port of two credits gets exactly what it was told': (lib) =>
    ends.receiverCloses(lib, 2, 4),
  'a receiver that takes and closes in one turn loses nothing that is sent meanwhile': (lib) =>
    ends.receiverTakesAndCloses(lib, 2),
  'a receiver that closes before it takes lets its sender go at once': (lib) =>
    ends.receiverClosesFirst(lib, 2, 4),
  'a sender that closes a port of one credit is told what was not taken': (lib) =>
    ends.senderCloses(lib, 1, 3),
  'a sender that closes a port of two credits is told what was not taken': (lib) =>
    ends.senderCloses(lib, 2, 4),
  'of closes on both sides one counts, and no message is lost': (lib) => ends.bothClose(lib, 2, 3),
  'what a sender that died had posted is heard or found, once': (lib) => ends.senderCrashes(lib, 2, 4, true),
  'the same where nobody listened': (lib) => ends.senderCrashes(lib, 2, 3, false),
  'a sender is let go by a receiver that died': (lib) => ends.receiverCrashes(lib, 2, 4),
  'a message that cannot be cloned keeps no credit, and no receiver that closes waits for it': (lib) =>
    ends.uncloneable(lib, 1),
  'the same behind a message that is under way': (lib) => ends.uncloneable(lib, 2),
  'three threads in a row lose nothing when the last one closes': (lib) => ends.threeInARow(lib, 2),
} satisfies Record<string, (lib: PortLibrary) => Scenario>;
