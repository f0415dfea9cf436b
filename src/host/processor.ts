/** The host's processor, for machines that go on only on their like. */
import { cpus } from "node:os";

/** What it calls itself. */
export const processor = (): string => cpus()[0]?.model ?? "unknown";
