/** Images, registries and kernels. */
import { EXIT } from "../exit-codes.ts";
import type { Entries } from "./entry.ts";

export const imagesErrors = {
  image_not_found: {
    status: 404,
    exit: EXIT.failure,
    message: "no image named '{ref}'",
    hint: "banger image list --available shows what can be used",
  },
  image_build_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "building image '{name}' failed at {stage}: {reason}",
    hint: "{fix}",
  },
  image_ambiguous: {
    status: 409,
    exit: EXIT.failure,
    message: "'{ref}' is the beginning of the digests of {count} images",
    hint: "type more of it; banger image list --json shows whole digests",
  },
  image_not_in_registry: {
    status: 404,
    exit: EXIT.failure,
    message: "no image '{ref}' at {registry}",
    hint: "check the name and the tag; banger image list --available shows what needs no registry",
  },
  image_export_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "exporting image '{name}' to {path} failed: {reason}",
    hint: "nothing was left there; check the folder and its free space",
  },
  image_in_use: {
    status: 409,
    exit: EXIT.failure,
    message: "image '{name}' is used by {users}",
    hint: "delete these first: banger vm delete, banger vm snapshot delete",
  },
  kernel_in_use: {
    status: 409,
    exit: EXIT.failure,
    message: "kernel '{name}' is used by {users}",
    hint: "delete these first: banger vm delete, banger vm snapshot delete",
  },
  image_changed: {
    status: 409,
    exit: EXIT.failure,
    message: "image '{name}' is the file {path}, which {problem}",
    hint: "bring the file back, or take it as it is now: banger image register FILE NAME; banger image promote keeps a copy",
  },
  image_refused: {
    status: 422,
    exit: EXIT.failure,
    message: "image '{ref}' is refused: {problem}",
    hint: "nothing of it was kept; have it built or sent again, or use another image",
  },
  registry_denied: {
    status: 403,
    exit: EXIT.failure,
    message: "{registry} does not give out '{ref}': {reason}",
    hint: "check the name; for a private image log in with docker login or podman login, as the user who runs banger",
  },
  registry_failed: {
    status: 502,
    exit: EXIT.failure,
    message: "{registry} answers {answer}",
    hint: "try again later; what was fetched so far is kept",
  },
  image_not_here: {
    status: 502,
    exit: EXIT.failure,
    message: "no image named '{ref}' is here, and its registry cannot be asked: {reason}",
    hint: "banger image list --available shows what needs no registry",
  },
  registry_unreachable: {
    status: 502,
    exit: EXIT.failure,
    message: "{registry} cannot be reached: {reason}",
    hint: "check the network, a proxy (https_proxy), and for an own authority its certs.d folder; what was fetched so far is kept",
  },
  registry_login_unreadable: {
    status: 500,
    exit: EXIT.failure,
    message: "the login file {path} cannot be used: {reason}",
    hint: "log in again with docker login or podman login",
  },
  kernel_not_found: {
    status: 404,
    exit: EXIT.failure,
    message: "no kernel named '{ref}'",
    hint: "banger kernel list --available shows what can be used",
  },
  kernel_fetch_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "getting kernel '{name}' failed at {stage}: {reason}",
    hint: "{fix}",
  },
  kernel_export_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "exporting kernel '{name}' to {path} failed: {reason}",
    hint: "nothing was left there; check the folder and its free space",
  },
  kernel_refused: {
    status: 422,
    exit: EXIT.failure,
    message: "kernel '{name}' is refused: {problem}",
    hint: "docs/kernels.md says what a kernel must have; nothing of it was kept",
  },
  agent_build_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "building the guest agent failed: {reason}",
    hint: "banger doctor --fix installs the compiler",
  },
} as const satisfies Entries;
