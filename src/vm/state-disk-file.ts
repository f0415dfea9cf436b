import { join } from "node:path";

/** The state disk within a VM's folder. */
export const stateDiskFile = (directory: string): string => join(directory, "state.ext4");
