/** Names of images in registries. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoopback } from "../../../src/core/loopback.ts";
import { familiarName, parseReference } from "../../../src/images/oci/reference.ts";

const digest = `sha256:${"a".repeat(64)}`;

test("names are understood as Docker and Podman understand them", () => {
  for (const [typed, registry, repository, tag, stored] of [
    ["python", "docker.io", "library/python", "latest", "python:latest"],
    ["python:3.12-slim", "docker.io", "library/python", "3.12-slim", "python:3.12-slim"],
    ["library/python", "docker.io", "library/python", "latest", "python:latest"],
    ["docker.io/python", "docker.io", "library/python", "latest", "python:latest"],
    ["index.docker.io/library/python:3", "docker.io", "library/python", "3", "python:3"],
    ["org/app", "docker.io", "org/app", "latest", "org/app:latest"],
    ["ghcr.io/org/app:v1", "ghcr.io", "org/app", "v1", "ghcr.io/org/app:v1"],
    ["localhost/app", "localhost", "app", "latest", "localhost/app:latest"],
    ["localhost:5000/a/b/c:x", "localhost:5000", "a/b/c", "x", "localhost:5000/a/b/c:x"],
    ["[::1]:5000/app", "[::1]:5000", "app", "latest", "[::1]:5000/app:latest"],
  ] as const) {
    const reference = parseReference(typed);
    assert.deepEqual(reference, { registry, repository, tag, digest: null }, typed);
    assert.equal(familiarName(reference), stored);
    assert.deepEqual(parseReference(stored), reference, "what is stored means the same");
  }
});

test("a digest pins, with or without a tag", () => {
  assert.deepEqual(parseReference(`app@${digest}`), {
    registry: "docker.io",
    repository: "library/app",
    tag: null,
    digest,
  });
  assert.equal(familiarName(parseReference(`app:1@${digest}`)), `app:1@${digest}`);
});

test("what no registry can have is refused", () => {
  for (const wrong of [
    "",
    "UPPER",
    "a//b",
    "../x",
    "a b",
    "app:",
    "app@sha256:abc",
    `app@${digest}@${digest}`,
    "app:tag with space",
    "-x",
    "host.example/",
    "https://host.example/app",
    "a".repeat(600),
  ]) {
    assert.throws(() => parseReference(wrong), { code: "invalid_argument" }, wrong);
  }
});

test("only this machine counts as loopback", () => {
  for (const host of ["localhost", "localhost:5000", "127.0.0.1:1", "127.9.9.9", "[::1]:80"])
    assert.ok(isLoopback(host), host);
  for (const host of ["127.0.0.1.example.com", "localhost.example", "10.0.0.1", "128.0.0.1", "[::2]"])
    assert.ok(!isLoopback(host), host);
});
