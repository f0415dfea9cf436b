/** How long work reports what it is doing. Every pipeline takes a `Reporter`; the daemon turns it into operation events. */

export interface Progress {
  readonly done: number;
  /** Absent while the total is not known. */
  readonly total?: number;
  readonly unit: "bytes" | "items";
  /** What goes on side by side, such as layers that are fetched. */
  readonly parts?: readonly { readonly name: string; readonly done: number; readonly total: number }[];
}

export interface Reporter {
  /** Ends the current stage and begins the next. `name` is a short present participle: "building image". */
  stage(name: string, detail?: string): void;
  progress(progress: Progress): void;
  /** Something the user should read once, such as "no KVM: using software emulation". */
  notice(text: string): void;
}

/** Work that can be reported on and cancelled. */
export interface Work {
  readonly report: Reporter;
  readonly signal: AbortSignal;
}

/** A reporter nobody listens to. */
export const silent: Reporter = { stage() {}, progress() {}, notice() {} };
