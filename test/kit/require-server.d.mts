/** Whether to skip, given why a server cannot be had (null when it can). Throws instead when CI is `true`. */
export function skipUnless(reason: string | null): boolean;
