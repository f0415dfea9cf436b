/** How long tests wait for what is certain to come: the one place that stretches it where everything is slow, as in the nested bed. */

/** How many times longer; 1 without it. */
export const PATIENCE = "BANGER_TEST_PATIENCE";

/** For limits whose length proves nothing: a time that a test is about stays as it is. */
export const patient = (ms: number): number => ms * Number(process.env[PATIENCE] ?? 1);
