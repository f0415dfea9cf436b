/** Catalogs, bundles and their signatures. */
import { EXIT } from "../exit-codes.ts";
import type { Entries } from "./entry.ts";

export const catalogsErrors = {
  catalog_unreachable: {
    status: 502,
    exit: EXIT.failure,
    message: "the catalog {url} cannot be fetched: {reason}",
    hint: "check the network and [[catalogs]] in config.toml; images that are here need no catalog",
  },
  catalog_too_large: {
    status: 422,
    exit: EXIT.failure,
    message: "the catalog {url} has more than {limit} bytes",
    hint: "nothing of it is used; check the address in [[catalogs]] of config.toml",
  },
  catalog_signature_invalid: {
    status: 422,
    exit: EXIT.failure,
    message: "the signature of the catalog {url} is not that of its key: {reason}",
    hint: "nothing of it is used; ask its publisher, and compare public_key with what they tell you",
  },
  catalog_malformed: {
    status: 422,
    exit: EXIT.failure,
    message: "the catalog {url} is signed, but malformed: {problem}",
    hint: "nothing of it is used; its publisher has to publish it again (docs/catalog.md)",
  },
  catalog_downgraded: {
    status: 409,
    exit: EXIT.failure,
    message: "the catalog {url} is older than the one seen before (serial {serial} after {seen})",
    hint: "nothing of it is used; its publisher has to publish a newer one; somebody may be handing out an old one",
  },
  catalog_entry_missing: {
    status: 404,
    exit: EXIT.failure,
    message: "{kind} '{name}' is from a catalog, and none has it any more",
    hint: "it goes on working; banger catalog list shows the catalogs",
  },
  download_failed: {
    status: 502,
    exit: EXIT.failure,
    message: "{url} cannot be fetched: {reason}",
    hint: "nothing of it was kept; try again, or tell its publisher",
  },
  bundle_size_wrong: {
    status: 422,
    exit: EXIT.failure,
    message: "{url} has {found} bytes where its catalog promises {size}",
    hint: "nothing of it was kept; its publisher has to publish it again",
  },
  bundle_hash_wrong: {
    status: 422,
    exit: EXIT.failure,
    message: "{url} has the sha256 {found}, not {sha256} as its catalog promises",
    hint: "nothing of it was kept; it was damaged or exchanged: tell its publisher",
  },
  bundle_entry_unexpected: {
    status: 422,
    exit: EXIT.failure,
    message: "the bundle {bundle} holds '{entry}', which it must not",
    hint: "nothing of it was kept; banger image bundle and banger kernel bundle make what is accepted",
  },
  bundle_malformed: {
    status: 422,
    exit: EXIT.failure,
    message: "the bundle {bundle} is malformed: {problem}",
    hint: "nothing of it was kept; banger image bundle and banger kernel bundle make what is accepted",
  },
  bundle_architecture_wrong: {
    status: 422,
    exit: EXIT.failure,
    message: "{kind} '{name}' is made for {arch}, this machine is {host}",
    hint: "its publisher has to publish one for {host}",
  },
  bundle_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "the bundle of '{name}' cannot be written to {path}: {reason}",
    hint: "nothing half-made was left there; check the folder and its free space",
  },
  stored_damaged: {
    status: 500,
    exit: EXIT.failure,
    message: "{kind} '{name}' is not what its digest says: its files were changed or damaged on the disk",
    hint: "delete the VMs that use it, banger {kind} delete {name}, and obtain it again",
  },
  signing_key_unusable: {
    status: 400,
    exit: EXIT.failure,
    message: "the key {file} cannot be used: {reason}",
    hint: "banger catalog keygen FILE makes one",
  },
} as const satisfies Entries;
