/* The agent binary's ways to be started. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "boot.h"
#include "lend.h"
#include "netguard.h"
#include "serve.h"
#include "tap.h"

/* A descriptor that was passed on, -1 if none was; ours alone from here on. */
static int inherited(const char *number)
{
    int fd = atoi(number);
    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/* As started by boot.c and init.c: --guest ROLE INIT_NS ROOT_NS STATE_FD INIT_GATE */
static int guest(char **argv)
{
    agent.role = strcmp(argv[2], "init") == 0 ? ROLE_INIT : ROLE_BESIDE;
    agent.init_ns = strtoull(argv[3], NULL, 10);
    agent.root_ns = strtoull(argv[4], NULL, 10);
    agent.state_fd = inherited(argv[5]);
    agent.init_gate = inherited(argv[6]);
    serve_prepare();
    return serve(NULL);
}

/* --tap-for UID GID NAME NET COMMAND...; root keeps no tap for itself */
static int jailed_tap(char **argv)
{
    struct tap_user user = {(uid_t)strtoul(argv[2], NULL, 10), (gid_t)strtoul(argv[3], NULL, 10)};
    return user.uid == 0 || user.gid == 0 ? 2 : tap_for(&user, argv[4], argv[5], argv + 6);
}

int main(int argc, char **argv)
{
    if (getpid() == 1 && strcmp(argv[0], "/init") == 0)
        boot();
    if (argc == 7 && strcmp(argv[1], "--guest") == 0)
        return guest(argv);
    if (argc == 4 && strcmp(argv[1], "--hosted") == 0 && strcmp(argv[2], "--listen") == 0) {
        agent.role = ROLE_HOSTED;
        serve_prepare();
        return serve(argv[3]);
    }
    if (argc > 6 && strcmp(argv[1], "--netguard") == 0)
        return netguard(argv[2], argv[3], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10), argv + 6);
    if (argc > 4 && strcmp(argv[1], "--tap") == 0)
        return tap(argv[2], argv[3], argv + 4);
    if (argc > 6 && strcmp(argv[1], "--tap-for") == 0)
        return jailed_tap(argv);
    if (argc > 5 && strcmp(argv[1], "--lend") == 0)
        return lend(argv[2], argv[3], argv[4], argv + 5);
    if (argc > 3 && strcmp(argv[1], "--lend-stream") == 0)
        return lend_stream(argv[2], argv + 3);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts(BANGER_VERSION);
        return 0;
    }
    fputs("usage: banger-agent --hosted --listen SOCKET | --netguard NET CONTROL RATE BURST PASST... |\n"
          "       banger-agent --tap NAME NET COMMAND... | --tap-for UID GID NAME NET COMMAND... |\n"
          "       banger-agent --lend STATE MEMORY BYTES COMMAND... | --lend-stream STATE COMMAND... | --version\n", stderr);
    return 2;
}
