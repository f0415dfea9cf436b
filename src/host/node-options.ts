/** How Node runs the two programs of banger. Streams pass through both in short-lived buffers: a small young generation costs no time and saves memory. */

const SMALL_YOUNG_GENERATION = "--max-semi-space-size=1";

/**
 * Functions are compiled by the thread that runs them. A compiler on another thread that runs out of heap waits until the
 * main thread collects; a main thread in `process.exit` waits until the compiler is done: together for ever
 * (nodejs/node#54918; seen with Node 24.21 after `vm cp` of 12 MB).
 */
const NO_BACKGROUND_COMPILERS = ["--no-concurrent-recompilation", "--no-concurrent-sparkplug"];

/**
 * The command line's. Also in the first line of src/cli/main.ts and in the launcher. Most other flags of V8 make Node refuse
 * the compiled code that it brings along, which takes 20 ms of each start.
 */
export const CLIENT_OPTIONS: readonly string[] = [SMALL_YOUNG_GENERATION, ...NO_BACKGROUND_COMPILERS];

/**
 * The daemon's. The old generation is collected when it is a fifth larger than what was left of it, not when it is several
 * times as large: a repository of 20,000 files then takes 35 MB instead of 100 on its way into a guest.
 */
export const DAEMON_OPTIONS: readonly string[] = [
  "--disable-warning=ExperimentalWarning",
  SMALL_YOUNG_GENERATION,
  ...NO_BACKGROUND_COMPILERS,
  "--heap-growing-percent=20",
];
