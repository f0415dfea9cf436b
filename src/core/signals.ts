/**
 * Signals that a monitor may be sent. Those that end it only: one that stops it would leave a VM that answers nobody, and
 * one that dumps core would write the guest's memory to the host's disk.
 */
export const KILL_SIGNALS = ["KILL", "TERM", "INT", "HUP"] as const;
export type KillSignal = (typeof KILL_SIGNALS)[number];
