/** Templates take `{name}` parameters. */
export interface Entry {
  readonly status: number;
  readonly exit: number;
  readonly message: string;
  readonly hint: string;
}

/** A part of the catalogue, by code. */
export type Entries = Record<string, Entry>;
