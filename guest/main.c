/* The agent binary's ways to be started. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "serve.h"

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--hosted") == 0 && strcmp(argv[2], "--listen") == 0) {
        agent.role = ROLE_HOSTED;
        serve_prepare();
        return serve(argv[3]);
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts(BANGER_VERSION);
        return 0;
    }
    fputs("usage: banger-agent --hosted --listen SOCKET | --version\n", stderr);
    return 2;
}
