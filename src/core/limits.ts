/** Limits that both ends of a connection hold to. */

/** Bytes of a command's arguments, environment and folder together (docs/protocol.md). */
export const MAX_ARGUMENTS = 200_000;

/** Bytes in one message of the exec WebSocket; a longer one ends the connection. */
export const MAX_EXEC_MESSAGE = 4 * 1024 * 1024;
