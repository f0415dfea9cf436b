/** Name of the trailer that tells why an archive breaks off: an error body as percent-encoded JSON; empty when it does not. */
export const FAILURE_TRAILER = "banger-failure";
