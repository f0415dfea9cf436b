/** A kernel that cannot boot our VMs; the message says why, for people. */
export class UnusableKernel extends Error {}
