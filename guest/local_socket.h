/* Unix stream sockets of the jobs that the binary has on the host. Names are relative to the VM's folder, so they always fit. */
#ifndef BANGER_LOCAL_SOCKET_H
#define BANGER_LOCAL_SOCKET_H

/* A connection to a socket; -1 = errno. */
int local_connect(const char *path);
/* Listens under a name that this user alone can open; what was there is removed. Accepting does not wait. -1 = errno. */
int local_listen(const char *path, int backlog);

#endif
