import assert from "node:assert/strict";
import { userInfo } from "node:os";
import { test } from "node:test";
import {
  configFile,
  daemonSocket,
  databaseFile,
  resolvePaths,
  vmDirectory,
} from "../../../src/host/paths.ts";

test("without XDG variables everything is below the home", () => {
  const paths = resolvePaths({ HOME: "/home/me" });
  assert.deepEqual(paths, {
    state: "/home/me/.local/state/banger",
    cache: "/home/me/.cache/banger",
    config: "/home/me/.config/banger",
    run: "/home/me/.local/state/banger/run",
  });
  assert.equal(databaseFile(paths), "/home/me/.local/state/banger/state.db");
  assert.equal(vmDirectory(paths, "vm-1"), "/home/me/.local/state/banger/vms/vm-1");
  assert.equal(configFile(paths), "/home/me/.config/banger/config.toml");
});

test("XDG variables are followed", () => {
  const paths = resolvePaths({
    HOME: "/home/me",
    XDG_STATE_HOME: "/s",
    XDG_CACHE_HOME: "/c",
    XDG_CONFIG_HOME: "/f",
    XDG_RUNTIME_DIR: "/run/user/7",
  });
  assert.deepEqual(paths, {
    state: "/s/banger",
    cache: "/c/banger",
    config: "/f/banger",
    run: "/run/user/7/banger",
  });
  assert.equal(daemonSocket(paths), "/run/user/7/banger/banger.sock");
});

test("relative and empty values are ignored, as the standard asks", () => {
  const paths = resolvePaths({
    HOME: "/h",
    XDG_STATE_HOME: "s",
    XDG_CACHE_HOME: "",
    XDG_RUNTIME_DIR: "../run",
  });
  assert.deepEqual(paths, resolvePaths({ HOME: "/h" }));
});

test("without a home the system's record of it is used", () => {
  for (const HOME of [undefined, "", "relative"])
    assert.match(resolvePaths({ HOME }).state, /^\/.*\/\.local\/state\/banger$/);
});

test("an empty or a relative HOME is not believed", () => {
  const real = `${userInfo().homedir}/.cache/banger`;
  for (const HOME of ["", "here"]) assert.equal(resolvePaths({ HOME }).cache, real);
});
