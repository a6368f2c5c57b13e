/** A token that knows how many listeners are linked to it, so that one that is left behind is seen. */
import { CancellationToken } from '../../dist/protocol/token.js';

export class CountedToken extends CancellationToken {
  linked = 0;

  override onChange(fn: Parameters<CancellationToken['onChange']>[0]): () => void {
    const unlink = super.onChange(fn);
    let isLinked = true;
    this.linked += 1;
    return () => {
      if (isLinked) this.linked -= 1;
      isLinked = false;
      unlink();
    };
  }
}
