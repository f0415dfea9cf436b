/** Catalogs that the configuration names, and what publishers do, seen from a client. */
import type {
  Bundled,
  CatalogStatus,
  MakeBundle,
  Publication,
  Published,
  VerifiedCatalog,
} from "../api/schemas.ts";
import { type FollowOptions, perform } from "./operations.ts";
import type { Transport } from "./transport.ts";

/** Signed lists of images and kernels. */
export interface Catalogs {
  /** Those of config.toml as they were last fetched; with `refresh` they are fetched first. What is wrong with one is told. */
  list(options?: { readonly refresh?: boolean }): Promise<CatalogStatus[]>;
  /**
   * Checks a catalog and every bundle of it; what is wrong with a bundle is told.
   * @param target absolute path of a folder, or address of a catalog.json
   * @param key file of the public key
   * @throws catalog_signature_invalid | catalog_malformed | catalog_unreachable | signing_key_unusable
   */
  verify(target: string, key: string, options?: FollowOptions): Promise<VerifiedCatalog>;
}

export interface PublicationOptions {
  /** Folder of the catalog; made when it is missing. */
  readonly folder: string;
  /** File of the private key, mode 0600. */
  readonly key: string;
  /** The name that it gets there; default: its own. */
  readonly as?: string | undefined;
  readonly description?: string | undefined;
  readonly distro?: string | undefined;
  /** The kernel that goes with an image. */
  readonly kernel?: string | undefined;
}

/** What publishers do with what is here. */
export interface Publishing {
  /** Writes it into a folder, as one file whose name tells its content. The same content gives the same bytes. */
  bundle(
    ref: string,
    folder: string,
    options?: { readonly as?: string | undefined } & FollowOptions,
  ): Promise<Bundled>;
  /** Puts it into the signed catalog of a folder. @throws signing_key_unusable | catalog_signature_invalid */
  publish(ref: string, options: PublicationOptions & FollowOptions): Promise<Published>;
  /** Checks that its files are what its digest says. @throws stored_damaged */
  verify(ref: string, options?: FollowOptions): Promise<void>;
}

export function catalogsOf(transport: Transport): Catalogs {
  return {
    list: ({ refresh } = {}) => transport.json("/v1/catalogs", { query: { refresh } }),
    verify: async (target, key, following) => {
      const call = { method: "POST", body: { target, key } } as const;
      const { result } = await perform(transport, "/v1/catalogs/verify", call, following);
      if (!result || !("verified" in result)) throw new Error("a verification told nothing");
      return result.verified;
    },
  };
}

export function publishing(transport: Transport, kind: MakeBundle["kind"]): Publishing {
  return {
    bundle: async (name, folder, { as, ...following } = {}) => {
      const body: MakeBundle = { kind, name, folder, ...(as !== undefined && { as }) };
      const { result } = await perform(transport, "/v1/bundles", { method: "POST", body }, following);
      if (!result || !("bundle" in result)) throw new Error("a bundle told no file");
      return result.bundle;
    },
    publish: async (name, { onEvent, signal, ...given }) => {
      const body: Publication = { kind, name, ...given };
      const call = { method: "POST", body } as const;
      const { result } = await perform(transport, "/v1/publications", call, {
        onEvent,
        ...(signal && { signal }),
      });
      if (!result || !("published" in result)) throw new Error("a publication told nothing");
      return result.published;
    },
    verify: async (name, following) => {
      await perform(transport, "/v1/verifications", { method: "POST", body: { kind, name } }, following);
    },
  };
}
