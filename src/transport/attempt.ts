/**
 * One exchange from its start to its end: links the caller's function, its stop signal and the connection.
 *
 * Invariants:
 * 1. `done` is called once; what comes later is ignored.
 * 2. The stop signal is entered once and left once, whichever way the exchange ends.
 */
import type { BodySink, Exchange, PreparedRequest } from '../protocol/http.js';
import type { StopSignal } from '../protocol/stop.js';
import type { Connection } from './connection.js';
import type { StopLink, StopLinks } from './stops.js';

export class Attempt {
  /** Null while it waits for a connection, and when it is over. */
  connection: Connection | null = null;
  private readonly link: StopLink;
  private over = false;

  constructor(
    readonly request: PreparedRequest,
    readonly sink: BodySink,
    /** The request's head, as it goes on the wire. */
    readonly head: string,
    readonly stop: StopSignal,
    private readonly links: StopLinks,
    private readonly done: (exchange: Exchange) => void,
  ) {
    this.link = links.enter(stop);
  }

  finish(exchange: Exchange): void {
    if (this.over) return;
    this.over = true;
    this.connection = null;
    this.links.leave(this.link);
    this.done(exchange);
  }
}
